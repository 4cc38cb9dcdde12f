UPDATE `outbox` SET `last_error` = CASE
  WHEN `last_error` = 'The mailbox is full' THEN json_object('kind', 'mailbox-full')
  WHEN `last_error` = 'No relay is set' THEN json_object('kind', 'no-relay')
  WHEN `last_error` = 'The mailbox cannot be written' THEN json_object('kind', 'mailbox-unwritable', 'codes', json_array())
  WHEN `last_error` LIKE 'The mailbox cannot be written: %' THEN json_object('kind', 'mailbox-unwritable', 'codes', json_array(substr(`last_error`, 32)))
  WHEN `last_error` GLOB '[0-9][0-9][0-9][- ]*' THEN json_object('kind', 'relay-answered', 'text', `last_error`)
  ELSE json_object('kind', 'relay-failed', 'text', `last_error`)
END WHERE `last_error` IS NOT NULL;
