# SPDX-License-Identifier: Apache-2.0
"""The control socket of a running agent: what it can be asked and told, by 'tlshub-capture ctl'."""
