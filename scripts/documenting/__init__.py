"""The documentation as a site, and the page of all settings. May import stages."""
