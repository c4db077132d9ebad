"""What tests share: tokens, clocks, clients of apps. No production code imports it."""
