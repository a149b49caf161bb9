// SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
// SPDX-License-Identifier: Apache-2.0
// The sums take longer than the list, so they come behind it.
"use strict";
const costs = document.getElementById("costs");
if (costs) {
  fetch(costs.dataset.url, { headers: { Accept: "text/html" } })
    .then((response) => (response.ok ? response.text() : Promise.reject(response.status)))
    .then((text) => {
      const sums = new DOMParser().parseFromString(text, "text/html").getElementById("sums");
      if (sums) costs.querySelector("p").replaceWith(sums);
    })
    .catch(() => {
      // The link stays.
    });
}
