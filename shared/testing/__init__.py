"""What tests share: tokens, clocks, clients of apps in the process. No production code imports it."""
