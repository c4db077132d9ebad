"""What operators run: the `clinicbus` command, the local system, the issuer, the simulators."""
