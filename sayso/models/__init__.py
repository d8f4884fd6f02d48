"""nn.Modules and flow maths: no device, path, URL or queue in here."""
