// SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
// SPDX-License-Identifier: Apache-2.0
// Loaded before the page is drawn: Airflow's own choice of theme, where one was made in this browser.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // No storage: the system's preference counts.
}
