"""A catalogue of invented films: titles, ratings, people, alternative titles, crew."""
