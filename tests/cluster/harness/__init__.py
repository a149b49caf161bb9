# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""A real Airflow for tests and for the demo, and all that it needs around it.

==================  ==============================================================
``processes``       start processes in a session of their own; find and end them all
``settings``        what a small, quick, quiet Airflow 2.11 or 3.x needs in its environment
``rest``            the REST API of either version: runs, task states, XCom, clears, pools
``watch``           follow a run to its end, keeping every change of state with its time
``standalone``      ``airflow standalone``: the three above put together
``logs``            what tasks logged, and how to read it
``sandbox``         the music API on loopback as a process, and a reference track to send to it
``postgres``        an embedded Postgres on loopback
``s3``              moto's S3 server on loopback
``cluster``         Airflow 3 on Postgres, two triggerers, each component alone to be killed
``machines``        a disk, a host name and process numbers of its own for a process
``redis``           Debian's Redis on loopback
``apart``           such a cluster on machines of their own, under CeleryExecutor or LocalExecutor
``rows``            one run on it: what was paid, and whether the right song came
``songs``           one song on such a cluster, its sandbox, what it cost and how it ended
==================  ==============================================================
"""
