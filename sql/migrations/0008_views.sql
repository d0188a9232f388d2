-- What people ask for most. Measured rows only; hours in the account's zone.
-- Pass 2 replaces pass 1. Written so that a few posts are looked up by their key, not sorted out of the whole history.
CREATE OR REPLACE VIEW final_outcomes AS
SELECT o.*
FROM outcomes o
WHERE o.collected_pass IN (1, 2) AND o.read_status = 'ok' AND o.impressions IS NOT NULL
  AND NOT (o.collected_pass = 1 AND EXISTS (
      SELECT 1 FROM outcomes f
      WHERE f.decision_id = o.decision_id AND f.collected_pass = 2 AND f.read_status = 'ok' AND f.impressions IS NOT NULL));

CREATE OR REPLACE VIEW vw_recent_posts AS
SELECT p.posted_at, p.account, p.decision_id, p.tweet_id, p.text AS content, c.decision_type, c.topic, c.arm, c.hook_pattern,
       c.novelty, c.quality_score, c.propensity, c.policy, c.predicted, c.predictor_version, o.collected_pass, o.impressions, o.likes,
       o.retweets, o.replies, o.follows, o.er_calculated AS engagement_rate, o.fpki, o.reward_composite, p.simulated
FROM posted_decisions p
JOIN content_metadata c USING (decision_id)
LEFT JOIN final_outcomes o USING (decision_id);

CREATE OR REPLACE VIEW vw_topics_perf_7d AS
SELECT p.account, c.topic, count(*) AS posts, avg(o.impressions)::double precision AS avg_impressions,
       avg(o.er_calculated) AS avg_engagement_rate, avg(o.fpki) AS avg_fpki, avg(o.reward_composite) AS avg_reward
FROM posted_decisions p
JOIN content_metadata c USING (decision_id)
JOIN final_outcomes o USING (decision_id)
WHERE p.posted_at > xbot_now() - interval '7 days'
GROUP BY p.account, c.topic;

CREATE OR REPLACE VIEW vw_time_of_day_perf_7d AS
SELECT p.account, extract(hour FROM p.posted_at AT TIME ZONE a.zone)::smallint AS hour, count(*) AS posts,
       avg(o.impressions)::double precision AS avg_impressions, avg(o.er_calculated) AS avg_engagement_rate, avg(o.fpki) AS avg_fpki,
       avg(o.reward_composite) AS avg_reward
FROM posted_decisions p
JOIN accounts a USING (account)
JOIN final_outcomes o USING (decision_id)
WHERE p.posted_at > xbot_now() - interval '7 days'
GROUP BY p.account, 2;

CREATE OR REPLACE VIEW vw_learning_performance AS
SELECT p.account, (p.posted_at AT TIME ZONE a.zone)::date AS day, count(*) AS posts, sum(o.impressions)::bigint AS impressions,
       sum(o.follows)::bigint AS follows, avg(o.er_calculated) AS avg_engagement_rate, avg(o.fpki) AS avg_fpki,
       avg(o.reward_composite) AS avg_reward, avg(c.propensity) AS avg_propensity, avg(c.novelty) AS avg_novelty
FROM posted_decisions p
JOIN accounts a USING (account)
JOIN content_metadata c USING (decision_id)
JOIN final_outcomes o USING (decision_id)
GROUP BY p.account, 2;

CREATE OR REPLACE VIEW vw_bandit_performance AS
SELECT (l.at AT TIME ZONE coalesce(a.zone, 'UTC'))::date AS day, l.context ->> 'account' AS account, count(*) AS cycles,
       sum((l.event_data ->> 'arms_trained')::bigint)::bigint AS arms_trained,
       avg((l.event_data ->> 'explore_ratio')::double precision) AS explore_ratio,
       sum((l.event_data ->> 'outcomes')::bigint)::bigint AS outcomes,
       (array_agg(l.event_data ->> 'coeffs_updated' ORDER BY l.at DESC, l.id DESC))[1] AS coeffs_updated
FROM audit_log l
LEFT JOIN accounts a ON a.account = l.context ->> 'account'
WHERE l.event_type = 'LEARNING_CYCLE_COMPLETE'
GROUP BY 1, 2;

CREATE OR REPLACE VIEW vw_content_sources_perf AS
SELECT s.account, s.source, s.kind, s.weight, s.enabled, s.last_run_at, s.last_status,
       CASE WHEN s.runs > 0 THEN 1 - s.failures::double precision / s.runs END AS success_rate,
       count(DISTINCT k.candidate_id) AS candidates,
       count(DISTINCT c.decision_id) AS decisions,
       count(o.decision_id) AS measured_posts,
       avg(o.er_calculated) AS avg_engagement_rate, avg(o.reward_composite) AS avg_reward
FROM content_sources s
LEFT JOIN content_candidates k ON k.source = s.source
LEFT JOIN content_metadata c ON c.candidate_id = k.candidate_id
LEFT JOIN final_outcomes o ON o.decision_id = c.decision_id
GROUP BY s.source;

-- The shape that the V2 runbook's queries expect.
CREATE OR REPLACE VIEW tweets AS
SELECT p.decision_id AS id, p.tweet_id, p.text AS content, p.posted_at, 'x'::text AS platform,
       CASE WHEN o.decision_id IS NULL THEN '{}'::jsonb ELSE jsonb_build_object(
           'impressions', o.impressions, 'likes', o.likes, 'retweets', o.retweets, 'replies', o.replies, 'follows', o.follows,
           'engagement_rate', o.er_calculated) END AS analytics,
       jsonb_build_object('account', p.account, 'topic', c.topic, 'decision_type', c.decision_type, 'generation_source', c.generation_source,
                          'simulated', p.simulated) AS metadata,
       jsonb_build_object('arm', c.arm, 'hook_pattern', c.hook_pattern, 'novelty', c.novelty, 'propensity', c.propensity,
                          'policy', c.policy, 'predictor_version', c.predictor_version, 'reward', o.reward_composite) AS learning_metadata
FROM posted_decisions p
JOIN content_metadata c USING (decision_id)
LEFT JOIN final_outcomes o USING (decision_id);
