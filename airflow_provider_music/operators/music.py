# SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
# SPDX-License-Identifier: Apache-2.0
"""The operators, for DAG files; importing them loads nothing heavier than the standard library and Airflow."""

from airflow_provider_music.operators.audit import AuditMusicOperator
from airflow_provider_music.operators.batch import GenerateMusicBatchOperator
from airflow_provider_music.operators.generate import GenerateMusicOperator
from airflow_provider_music.operators.preprocess import PreprocessCoverOperator
from airflow_provider_music.operators.upload import UploadReferenceOperator

__all__ = [
    "AuditMusicOperator",
    "GenerateMusicBatchOperator",
    "GenerateMusicOperator",
    "PreprocessCoverOperator",
    "UploadReferenceOperator",
]
