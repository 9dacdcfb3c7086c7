"""Who answers templates beside the platform: functions, judges, and code of the user's."""
