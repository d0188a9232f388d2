"""Rows as a deployment of that time would have written them: plain SQL, only columns that the schema had then.

Frozen. A later schema adds its own list, and never changes one that stands here.
"""

FOUNDATION = """
INSERT INTO deployment (family, app_env, seed, created_at) VALUES ('sandbox', 'sandbox', 7, '2026-11-01T00:00Z');
INSERT INTO accounts (account, handle, zone, approval_posts, created_at) VALUES
    ('default', 'xbot_demo', 'Europe/Berlin', 'risky_only', '2026-11-01T00:00Z'),
    ('second', 'second_demo', 'UTC', 'all', '2026-11-02T00:00Z');
INSERT INTO bot_config (environment, config_key, config_value) VALUES
    ('sandbox', 'feature_flags', '{"learning_engine_v2": true}'),
    ('sandbox', 'learning_config', '{"post_fraction": 1, "epsilon": 0.2, "post_interval_min": 30, "max_hashtags": 2, "quiet_hours": [2, 3], "posts_per_day": 4}'),
    ('sandbox', 'content_config', '{"topics_allowed": ["sleep"]}'),
    ('sandbox', 'controls', '{"stop_posting": false, "stop_llm": false}');
UPDATE bot_config SET config_value = jsonb_set(config_value, '{epsilon}', '0.15') WHERE config_key = 'learning_config';
"""

# decision …1: posted and measured twice; …2: posted an hour ago, its first pass due; …3: queued and due; …4: shadowed.
LOOP = """
INSERT INTO content_sources (source, account, kind, config) VALUES ('evergreen', 'default', 'evergreen', '{"items": []}');
INSERT INTO content_candidates (candidate_id, account, source, topic, title, score, freshness, content_hash, state, created_at, expires_at)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'default', 'evergreen', 'sleep', 'Idea ' || n, 0.5, 0.5,
       'sha256:' || repeat(n::text, 64), CASE WHEN n < 5 THEN 'used' ELSE 'fresh' END, '2026-11-07T00:00Z', '2026-12-07T00:00Z'
FROM generate_series(1, 5) AS n;
INSERT INTO api_usage (account, purpose, model, budget_day, state, reserved_usd, cost_usd, simulated, created_at, settled_at)
VALUES ('default', 'post', 'gpt-4o-mini', '2026-11-08', 'settled', 0.01, 0.002, true, '2026-11-08T06:00Z', '2026-11-08T06:00Z');
INSERT INTO budget_days (budget_day, account, provider, settled_usd) VALUES ('2026-11-08', '', 'openai', 0.002), ('2026-11-08', 'default', 'openai', 0.002);
INSERT INTO experiments (experiment_id, account, preset, share, starts_at, state, created_at)
VALUES ('question_cta', 'default', 'question_cta', 0.3, '2026-11-03T00:00Z', 'running', '2026-11-03T00:00Z');
INSERT INTO content_metadata (decision_id, account, candidate_id, decision_type, text, topic, arm, hour_slot, generation_source, status,
    scheduled_at, expires_at, hook_pattern, content_hash, experiment_id, experiment_arm, policy, policy_version, policy_seed, propensity,
    tweet_id, simulated, created_at, updated_at)
SELECT ('00000000-0000-4000-9000-00000000000' || n)::uuid, 'default', ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'single',
       'A quiet evening helps sleep, part ' || n, 'sleep', 'educational', 12, 'synthetic',
       (ARRAY['posted', 'posted', 'queued', 'shadowed'])[n], (ARRAY['2026-11-06T12:00Z', '2026-11-08T10:50Z', '2026-11-08T11:55Z', '2026-11-07T12:00Z'])[n]::timestamptz,
       '2026-11-09T12:00Z', 'none', 'sha256:' || repeat(n::text, 64), 'question_cta', 'control', 'growth', '1', 11, 0.25,
       CASE WHEN n < 3 THEN '185819123002174668' || n END, true, '2026-11-06T06:00Z', '2026-11-06T06:00Z'
FROM generate_series(1, 4) AS n;
INSERT INTO decision_choices (decision_id, policy, policy_version, seed, context, candidates, arm, hour, joint_propensity, arm_propensity, epsilon, created_at)
SELECT decision_id, 'growth', '1', 11, '{"account": "default"}', '{"educational": {"12": 0.25, "13": 0.25}, "contrarian": {"12": 0.25, "13": 0.25}}', 'educational', 12, 0.25, 0.5, 0.15, created_at
FROM content_metadata;
INSERT INTO gate_verdicts (decision_id, gate, position, verdict, score, threshold, created_at)
SELECT decision_id, gate, position, 'pass', 0.9, 0.5, created_at
FROM content_metadata, unnest(ARRAY['safety', 'quality', 'duplicate', 'rotation']) WITH ORDINALITY AS g(gate, position);
INSERT INTO experiment_assignments (experiment_id, unit, decision_id, arm, propensity, created_at)
SELECT 'question_cta', decision_id::text, decision_id, 'control', 0.7, created_at FROM content_metadata;
INSERT INTO posting_attempts (decision_id, part, attempt, account, state, publisher, fence, lease_until, post_key, fingerprint, claimed_at,
    armed_at, clicked_at, resolved_at, tweet_id, via)
SELECT decision_id, 0, 1, 'default', 'posted', 'sandbox', nextval('posting_fence'), scheduled_at, 'default:' || tweet_id, md5(text),
       scheduled_at, scheduled_at, scheduled_at, scheduled_at, tweet_id, 'response'
FROM content_metadata WHERE status = 'posted';
INSERT INTO post_slots (account, kind, decision_id, at) SELECT 'default', 'post', decision_id, scheduled_at FROM content_metadata WHERE status = 'posted';
INSERT INTO posted_decisions (decision_id, account, tweet_id, text, posted_at, publisher, via, next_pass, next_due_at, simulated)
SELECT decision_id, 'default', tweet_id, text, scheduled_at, 'sandbox', 'response', CASE WHEN hour = 10 THEN 1 END,
       CASE WHEN hour = 10 THEN scheduled_at + interval '1 hour' END, true
FROM (SELECT *, extract(hour FROM scheduled_at AT TIME ZONE 'UTC') AS hour FROM content_metadata WHERE status = 'posted') AS posted;
INSERT INTO outcomes (decision_id, collected_pass, account, tweet_id, impressions, engagements, likes, retweets, replies, follows, er_calculated,
    fpki, reward_composite, exposure_weight, simulated, source, read_status, observed_age_s, collected_at, updated_at)
SELECT '00000000-0000-4000-9000-000000000001', pass, 'default', '1858191230021746681', 400 * pass, 12 * pass, 9 * pass, 2, 1, pass - 1, 0.03,
       1.25, 0.2 * pass, 0.4 * pass, true, 'browser', 'ok', 3600 + 82800 * (pass - 1), '2026-11-06T13:00Z'::timestamptz + (pass - 1) * interval '23 hours',
       '2026-11-06T13:00Z'
FROM generate_series(1, 2) AS pass;
INSERT INTO outcome_rewards (decision_id, collected_pass, reward_version, reward, weight, computed_at)
SELECT decision_id, collected_pass, 'seed_v1', 0.2, 0.8, collected_at FROM outcomes;
INSERT INTO follower_snapshots (account, taken_at, followers, source, simulated) VALUES
    ('default', '2026-11-06T12:00Z', 1000, 'browser', true), ('default', '2026-11-07T12:00Z', 1003, 'browser', true);
INSERT INTO follower_attribution (account, window_start, window_end, decision_id, follows, low, high, method) VALUES
    ('default', '2026-11-06T12:00Z', '2026-11-07T12:00Z', '00000000-0000-4000-9000-000000000001', 2, 0, 3, 'share'),
    ('default', '2026-11-06T12:00Z', '2026-11-07T12:00Z', NULL, 1, 0, 3, 'share');
INSERT INTO post_features (decision_id, feature_version, account, posted_day, features)
VALUES ('00000000-0000-4000-9000-000000000001', 'v1', 'default', '2026-11-06', '{"length": 36, "hour": 12, "question": false}');
INSERT INTO bandit_arms (account, scope, arm_name, successes, failures, alpha, beta, n, mean_reward, simulated, last_updated)
VALUES ('default', 'content', 'educational', 1, 0, 2, 1, 1, 0.4, true, '2026-11-07T13:00Z');
INSERT INTO learning_ledger (decision_id, collected_pass, learner, learner_version, account, learned_at)
VALUES ('00000000-0000-4000-9000-000000000001', 2, 'seed', '0', 'default', '2026-11-07T13:00Z');
INSERT INTO predictor_versions (account, kind, version, algorithm, as_of, n, payload, state, promoted_at, simulated, created_at)
VALUES ('default', 'content', 1, 'ridge', '2026-11-07T13:00Z', 5, '{}', 'retired', '2026-11-07T13:00Z', true, '2026-11-07T13:00Z');
INSERT INTO alerts (rule, subject, account, severity, message, opened_at, last_seen_at)
VALUES ('posting_stalled', 'default', 'default', 'warning', 'No post for four hours.', '2026-11-08T11:00Z', '2026-11-08T11:00Z');
INSERT INTO tick_log (at, name, kind, account, skipped) VALUES ('2026-11-08T11:00Z', 'due_posts', 'sensor', 'default', 'nothing is due');
"""
