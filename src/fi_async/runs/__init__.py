"""The ways in which cases become a run: here at once, as a stream, kept in a file, or shared by machines."""
