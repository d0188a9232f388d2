DROP TABLE IF EXISTS decision_media;
