# SPDX-License-Identifier: Apache-2.0
"""What every page of this repository has to hold: links, names of files, commands, configurations, translations."""
