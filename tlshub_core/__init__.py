# SPDX-License-Identifier: Apache-2.0
"""tlshub-capture: turns an application's plain TCP into TLS, with no change to the application."""

__version__ = "0.1.0"
