"""The functions of the bus in Postgres: the only way in which a service writes there."""

from shared.contracts.envelope import PARTITIONS

STALE_PRODUCER = "CB101"
"""SQLSTATE: a later epoch of this producer has written."""
UNKNOWN_TOPIC = "CB102"
"""SQLSTATE: there is no such topic or partition."""

_DEFINER = "SECURITY DEFINER SET search_path = public, pg_temp"

FUNCTIONS = (
    f"""
CREATE OR REPLACE FUNCTION bus_check(p_kind text, p_names text[]) RETURNS void
LANGUAGE plpgsql STABLE {_DEFINER} AS $$
DECLARE refused text;
BEGIN
  IF session_user = current_user THEN
    RETURN;  -- the bus's owner
  END IF;
  SELECT n INTO refused FROM unnest(p_names) n WHERE NOT EXISTS (
    SELECT 1 FROM bus_acl a WHERE a.role = session_user AND a.kind = p_kind AND a.name = n) LIMIT 1;
  IF refused IS NOT NULL THEN
    RAISE EXCEPTION '% may not %: %', session_user, p_kind, refused USING ERRCODE = '42501';
  END IF;
END $$
""",
    f"""
CREATE OR REPLACE FUNCTION bus_readable() RETURNS int[] LANGUAGE sql STABLE {_DEFINER} AS $$
  SELECT coalesce(array_agg(t.id), '{{}}') FROM topic t
  WHERE session_user = current_user OR EXISTS (
    SELECT 1 FROM bus_acl a WHERE a.role = session_user AND a.name = t.name
      AND a.kind IN ('read', 'append'))
$$
""",
    f"""
CREATE OR REPLACE FUNCTION bus_create_topics(p_topics text[]) RETURNS void
LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  PERFORM bus_check('append', ARRAY(SELECT n FROM unnest(p_topics) n WHERE NOT EXISTS (
    SELECT 1 FROM topic WHERE name = n)));
  INSERT INTO topic (name) SELECT n FROM unnest(p_topics) n
    WHERE NOT EXISTS (SELECT 1 FROM topic WHERE name = n) ORDER BY n ON CONFLICT DO NOTHING;
  INSERT INTO log_partition (topic_id, partition)
    SELECT t.id, p FROM topic t, generate_series(0, {PARTITIONS - 1}) p
    WHERE t.name = ANY (p_topics) ORDER BY 1, 2 ON CONFLICT DO NOTHING;
END $$
""",
    f"""
CREATE OR REPLACE FUNCTION bus_append(p_producer text, p_epoch bigint, p_topics text[],
  p_partitions int[], p_keys text[], p_headers text[], p_values bytea[]) RETURNS bigint[]
LANGUAGE plpgsql {_DEFINER} AS $$
DECLARE
  latest bigint;
  offsets bigint[];
BEGIN
  PERFORM bus_check('producer', ARRAY[p_producer]);
  PERFORM bus_check('append', ARRAY(SELECT DISTINCT n FROM unnest(p_topics) n));
  SELECT epoch INTO latest FROM producer WHERE name = p_producer FOR NO KEY UPDATE;
  IF latest > p_epoch THEN
    RAISE EXCEPTION 'epoch % of % is past', p_epoch, p_producer USING ERRCODE = '{STALE_PRODUCER}';
  ELSIF latest IS DISTINCT FROM p_epoch THEN
    INSERT INTO producer VALUES (p_producer, p_epoch)
      ON CONFLICT (name) DO UPDATE SET epoch = greatest(producer.epoch, excluded.epoch);
  END IF;
  IF cardinality(p_topics) = 0 THEN
    RETURN '{{}}';
  END IF;
  PERFORM 1 FROM log_partition c JOIN topic t ON t.id = c.topic_id
    JOIN (SELECT DISTINCT * FROM unnest(p_topics, p_partitions) u(name, part)) n
      ON n.name = t.name AND n.part = c.partition
    ORDER BY c.topic_id, c.partition FOR NO KEY UPDATE OF c;
  WITH m AS (
    SELECT t.id AS topic_id, u.part, u.key, u.headers, u.value, u.ord,
      row_number() OVER (PARTITION BY t.id, u.part ORDER BY u.ord) - 1 AS nth
    FROM unnest(p_topics, p_partitions, p_keys, p_headers, p_values)
      WITH ORDINALITY u(name, part, key, headers, value, ord) JOIN topic t ON t.name = u.name),
  n AS (SELECT topic_id, part, count(*) AS many FROM m GROUP BY 1, 2),
  moved AS (
    UPDATE log_partition c SET next_offset = c.next_offset + n.many FROM n
    WHERE c.topic_id = n.topic_id AND c.partition = n.part
    RETURNING c.topic_id, c.partition AS part, c.next_offset - n.many AS base),
  placed AS (SELECT m.*, moved.base + m.nth AS place FROM m JOIN moved USING (topic_id, part)),
  written AS (
    INSERT INTO log_record (topic_id, partition, "offset", key, headers, value)
    SELECT topic_id, part, place, key, headers, value FROM placed ORDER BY ord)
  SELECT array_agg(place ORDER BY ord) INTO offsets FROM placed;
  IF cardinality(offsets) IS DISTINCT FROM cardinality(p_topics) THEN
    RAISE EXCEPTION 'no such topic or partition' USING ERRCODE = '{UNKNOWN_TOPIC}';
  END IF;
  PERFORM pg_notify('bus', string_agg(id::text, ',')) FROM topic WHERE name = ANY (p_topics);
  RETURN offsets;
END $$
""",
    # Owned partitions after this beat, and of each whether it is still meant for this member. What
    # is meant for it and free is taken in the same call; what is not meant for it any more is kept
    # until the member has let go of it.
    f"""
CREATE OR REPLACE FUNCTION bus_beat(p_grp text, p_member text, p_topics text[], p_seconds float8,
  OUT topic_ids int[], OUT partitions int[], OUT meant boolean[])
LANGUAGE plpgsql {_DEFINER} AS $$
DECLARE until timestamptz = clock_timestamp() + make_interval(secs => p_seconds);
BEGIN
  PERFORM bus_check('group', ARRAY[p_grp]);
  PERFORM bus_check('read', p_topics);
  PERFORM pg_advisory_xact_lock(hashtextextended('group/' || p_grp, 0));
  UPDATE member SET topics = p_topics, expires_at = until
    WHERE grp = p_grp AND member = p_member;
  IF NOT FOUND THEN
    INSERT INTO member VALUES (p_grp, p_member, p_topics, until);
    PERFORM pg_notify('bus_group', p_grp);
  END IF;
  DELETE FROM member WHERE grp = p_grp AND expires_at < clock_timestamp();
  DELETE FROM claim c WHERE c.grp = p_grp AND NOT EXISTS (
    SELECT 1 FROM member m WHERE m.grp = p_grp AND m.member = c.member);
  WITH able AS (
    SELECT t.id, m.member, row_number() OVER (PARTITION BY t.id ORDER BY m.member) - 1 AS nth,
      count(*) OVER (PARTITION BY t.id) AS many
    FROM topic t JOIN member m ON m.grp = p_grp AND t.name = ANY (m.topics)
    WHERE t.name = ANY (p_topics)),
  wanted AS (
    SELECT c.topic_id, c.partition FROM log_partition c
    JOIN able a ON a.id = c.topic_id AND a.nth = (c.topic_id + c.partition) % a.many
    WHERE a.member = p_member),
  taken AS (
    INSERT INTO claim SELECT p_grp, topic_id, partition, p_member FROM wanted
    ON CONFLICT DO NOTHING RETURNING topic_id, partition),
  owned AS (
    SELECT topic_id, partition FROM claim WHERE grp = p_grp AND member = p_member
    UNION SELECT topic_id, partition FROM taken)
  SELECT array_agg(o.topic_id), array_agg(o.partition), array_agg(w.topic_id IS NOT NULL)
    INTO topic_ids, partitions, meant FROM owned o LEFT JOIN wanted w USING (topic_id, partition);
END $$
""",
    f"""
CREATE OR REPLACE FUNCTION bus_release(p_grp text, p_member text, p_topic_ids int[],
  p_partitions int[]) RETURNS void LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  PERFORM bus_check('group', ARRAY[p_grp]);
  DELETE FROM claim c USING unnest(p_topic_ids, p_partitions) u(topic_id, part)
    WHERE c.grp = p_grp AND c.member = p_member
      AND c.topic_id = u.topic_id AND c.partition = u.part;
  PERFORM pg_notify('bus_group', p_grp);
END $$
""",
    f"""
CREATE OR REPLACE FUNCTION bus_leave(p_grp text, p_member text) RETURNS void
LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  PERFORM bus_check('group', ARRAY[p_grp]);
  DELETE FROM claim WHERE grp = p_grp AND member = p_member;
  DELETE FROM member WHERE grp = p_grp AND member = p_member;
  PERFORM pg_notify('bus_group', p_grp);
END $$
""",
    f"""
CREATE OR REPLACE FUNCTION bus_stands(p_grp text, p_topics text[], p_partitions int[],
  p_offsets bigint[]) RETURNS void LANGUAGE plpgsql {_DEFINER} AS $$
BEGIN
  PERFORM bus_check('group', ARRAY[p_grp]);
  INSERT INTO group_offset (grp, topic, partition, next_offset)
    SELECT p_grp, * FROM unnest(p_topics, p_partitions, p_offsets)
    ON CONFLICT (grp, topic, partition)
    DO UPDATE SET next_offset = excluded.next_offset, at = excluded.at;
END $$
""",
)
