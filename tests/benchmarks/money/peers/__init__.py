# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""One file a peer, each in its own idiom and as its own documents advise. Corrections are welcome."""
