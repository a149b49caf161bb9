# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""This provider's metadata for Airflow. Imports nothing: every ``airflow`` command reads it."""

CONNECTION_FIELDS = {
    "connect_timeout": {
        "label": "Connect timeout",
        "description": "Seconds for a TCP and TLS connection.",
        "schema": {"type": ["number", "null"], "default": 10, "minimum": 0.1, "maximum": 300},
    },
    "read_timeout": {
        "label": "Read timeout",
        "description": "Seconds for the answer of a quick call, and between two pieces of a download.",
        "schema": {"type": ["number", "null"], "default": 60, "minimum": 0.1, "maximum": 3600},
    },
    "generation_timeout": {
        "label": "Generation timeout",
        "description": "Seconds for the answer of a synchronous generation (music-01), whose POST stays open.",
        "schema": {"type": ["number", "null"], "default": 900, "minimum": 1, "maximum": 7200},
    },
    "max_audio_bytes": {
        "label": "Largest song",
        "description": "Bytes; a larger song is refused while it comes.",
        "schema": {"type": ["integer", "null"], "default": 1073741824, "minimum": 1},
    },
    "audio_hosts": {
        "label": "Hosts of songs",
        "description": "Fetch songs from these hosts only: cdn.example.org, .example.net (all below it). "
        "Empty: any public host.",
        "schema": {"type": ["string", "null"], "default": ""},
    },
    "max_body_seconds": {
        "label": "Longest download",
        "description": "Seconds for the whole of one download, and for the body of a synchronous generation's answer.",
        "schema": {"type": ["number", "null"], "default": 1800, "minimum": 1, "maximum": 86400},
    },
    "max_open_generations": {
        "label": "Open generations",
        "description": "Synchronous generations (music-01) that one triggerer keeps open at once.",
        "schema": {"type": ["integer", "null"], "default": 256, "minimum": 1, "maximum": 10000},
    },
    "max_polls_per_second": {
        "label": "Polls per second",
        "description": "Polls that one triggerer sends in a second, for all its waits.",
        "schema": {"type": ["number", "null"], "default": 200, "minimum": 0.1, "maximum": 10000},
    },
    "verify": {
        "label": "Verify TLS",
        "description": "true, false, or the path of a CA bundle on workers and triggerer.",
        "schema": {"type": ["string", "null"], "default": "true"},
    },
    "allow_http": {
        "label": "Allow plain HTTP",
        "description": "Send the key unencrypted to a base URL that is not on this machine; fetch songs over HTTP.",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "budgets": {
        "label": "Shared budgets",
        "description": "What tasks may spend together: marketing = 10 USD/day; film = 200 USD/month.",
        "schema": {"type": ["string", "null"], "default": ""},
    },
}

UI_FIELD_BEHAVIOUR = {
    "hidden-fields": ["schema", "port", "login"],
    "relabeling": {"password": "API key", "host": "Base URL"},
    "placeholders": {"host": "https://api.aimlapi.com", "password": "the key of your AI/ML API account"},
}

C2PA_FIELDS = {
    "certificates": {
        "label": "Certificate chain",
        "description": "PEM: the signer's certificate first, then those that issued it.",
        "schema": {"type": ["string", "null"], "format": "multiline", "default": ""},
    },
    "algorithm": {
        "label": "Algorithm",
        "description": "Of the certificate's key: es256, es384, es512, ps256, ps384, ps512 or ed25519.",
        "schema": {"type": ["string", "null"], "default": "es256"},
    },
    "service_url": {
        "label": "Key service",
        "description": "URL that is sent the bytes to sign and returns the signature; the password is then its token.",
        "schema": {"type": ["string", "null"], "default": ""},
    },
    "tsa_url": {
        "label": "Time-stamping service",
        "description": "URL (RFC 3161), called for each signature. Empty: no time stamp.",
        "schema": {"type": ["string", "null"], "default": ""},
    },
}

C2PA_FIELD_BEHAVIOUR = {
    "hidden-fields": ["schema", "port", "login", "host"],
    "relabeling": {"password": "Private key (PEM), or token"},
    "placeholders": {"password": "-----BEGIN PRIVATE KEY----- ..."},
}


def get_provider_info() -> dict:  # type: ignore[type-arg]
    """Return the provider's metadata, as Airflow's ``provider_info.schema.json`` describes it."""
    return {
        "package-name": "airflow-provider-music",
        "name": "Music (AI/ML API)",
        "description": "Music generation with the AI/ML API: upload references, generate songs, wait without a worker.",
        "integrations": [
            {
                "integration-name": "AI/ML API music",
                "external-doc-url": "https://docs.aimlapi.com/api-references/music-models",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "AI/ML API music",
                "python-modules": ["airflow_provider_music.hooks.music", "airflow_provider_music.hooks.c2pa"],
            }
        ],
        "operators": [
            {
                "integration-name": "AI/ML API music",
                "python-modules": ["airflow_provider_music.operators.music"],
            }
        ],
        "sensors": [
            {
                "integration-name": "AI/ML API music",
                "python-modules": ["airflow_provider_music.sensors.music"],
            }
        ],
        "triggers": [
            {
                "integration-name": "AI/ML API music",
                "python-modules": ["airflow_provider_music.triggers.music"],
            }
        ],
        # @task.music and @task.music_batch
        "task-decorators": [
            {"name": "music", "class-name": "airflow_provider_music.decorators.music.music_task"},
            {"name": "music_batch", "class-name": "airflow_provider_music.decorators.music.music_batch_task"},
        ],
        # From Airflow 3.4 on; the module refuses an older one by name.
        "retry-policies": [
            {
                "integration-name": "AI/ML API music",
                "python-modules": ["airflow_provider_music.policies.retry"],
            }
        ],
        "extra-links": [
            "airflow_provider_music.lineage.links.SongLink",
            "airflow_provider_music.lineage.links.RecordLink",
        ],
        # Airflow 3.2 and later; an older one leaves it out.
        "cli": ["airflow_provider_music.cli.airflow_commands.get_cli_commands"],
        "connection-types": [
            {
                "connection-type": "music",
                "hook-class-name": "airflow_provider_music.hooks.music.MusicHook",
                "hook-name": "Music generation (AI/ML API)",
                "ui-field-behaviour": UI_FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            },
            {
                "connection-type": "c2pa",
                "hook-class-name": "airflow_provider_music.hooks.c2pa.C2paHook",
                "hook-name": "Content Credentials (C2PA)",
                "ui-field-behaviour": C2PA_FIELD_BEHAVIOUR,
                "conn-fields": C2PA_FIELDS,
            },
        ],
        "config": {
            "music": {
                "description": "Settings of the music provider.",
                "options": {
                    "output_dir": {
                        "description": (
                            "Where songs and their records go when an operator names no output_dir: any URL of "
                            "ObjectStoragePath, or the absolute path of a folder that workers and triggerers share. "
                            "Empty means <AIRFLOW_HOME>/music."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://my_aws@my-bucket/songs",
                        "default": "",
                    },
                    "record_dir": {
                        "description": (
                            "Where the records of paid requests go when the output_dir of a task is a template from "
                            "its first character: a folder as output_dir takes it, without a template. "
                            "A record that cannot be found again means a second bill, so this must stay the same. "
                            "What tasks share lies here too: ledgers of budgets, and who pays for one request of many. "
                            "Empty means output_dir."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://my_aws@my-bucket/music-records",
                        "default": "",
                    },
                    "deployment": {
                        "description": (
                            "Name of this Airflow, the same for its scheduler, workers and triggerers, and another "
                            "for every Airflow that shares a bucket or an API key with it: production, staging. It "
                            "keeps the records of two Airflows with the same DAGs apart. A change makes the package "
                            "forget what is still open. Empty means a name that is derived from this Airflow's own "
                            "settings."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "production",
                        "default": "",
                    },
                    "listen_roots": {
                        "description": (
                            "More folders whose songs and records the pages below /music may read, separated by "
                            "commas, as output_dir takes them. [music] output_dir and record_dir are read anyway. "
                            "Read by the API server; an output_dir or record_dir that a DAG names has to lie below "
                            "one of them to be heard there."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://my_aws@my-bucket/jingles, /srv/music",
                        "default": "",
                    },
                    "budgets": {
                        "description": (
                            "What tasks that name a budget may spend together, in US dollars a day, week or month of "
                            "UTC; or JSON, where an object may name the folder of its ledger: "
                            '{"marketing": {"usd": 10, "per": "day", "dir": "s3://my_aws@my-bucket/budgets"}}. '
                            "Without one the ledger lies below record_dir, or output_dir. Definitions in a "
                            "connection's extra of this name go before these."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "marketing = 10 USD/day; film = 200 USD/month",
                        "default": "",
                    },
                    "require_rights": {
                        "description": (
                            "Whether every task that sends a track or submits a song has to say under which licence "
                            "or consent it does so, in its argument rights. A task without is refused before anything "
                            "is sent. Read where the task runs."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                    "shared_disk": {
                        "description": (
                            "Whether a local output_dir or record_dir is a mount that all workers and triggerers "
                            "share. Without it a local folder is refused for tasks of executors whose workers are "
                            "other machines, such as CeleryExecutor and KubernetesExecutor."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": "True",
                        "default": "False",
                    },
                },
            }
        },
    }
