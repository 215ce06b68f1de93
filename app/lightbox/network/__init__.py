"""Floor 5: peers, associations, query, retrieve, storage SCP. The only room that speaks DIMSE."""
