"""Declarative Jenkinsfiles, read and translated into a declaration of ours."""
