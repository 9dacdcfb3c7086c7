BEGIN TRANSACTION;
CREATE TABLE cases (
    n INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    template TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT,
    inputs TEXT NOT NULL
);
INSERT INTO "cases" VALUES(1,'8bdbc866f1885b79a58dc989','is_json',0,NULL,'{"text":"[1]"}');
INSERT INTO "cases" VALUES(2,'e380c7d14373111975a497db','is_json',1,NULL,'{"text":"[1"}');
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at REAL NOT NULL,
    body TEXT
);
INSERT INTO "events" VALUES(1,1,1,1.79574852018876457209e+09,NULL);
INSERT INTO "events" VALUES(2,2,1,1.79574852018881583209e+09,NULL);
INSERT INTO "events" VALUES(3,1,5,1.79574852019661450382e+09,'{"status":"scored","backend":"local","latency_s":0.007576424000035331,"attempts":1,"eval_id":"610062ce-98b7-4550-b761-ed9876216ced","result":{"name":"is_json","output":"Passed","reason":"Text is valid JSON","runtime":0.0,"output_type":"Pass/Fail","eval_id":"610062ce-98b7-4550-b761-ed9876216ced","backend":"local","request_id":"1b2f807c-b858-4f56-8358-86e080291d2d"}}');
INSERT INTO "events" VALUES(4,2,5,1.79574852019761776926e+09,'{"status":"scored","backend":"local","latency_s":0.008719870999811974,"attempts":1,"eval_id":"f55dbfd0-db34-41d8-99e2-bc0112b44f9d","result":{"name":"is_json","output":"Failed","reason":"Text is not valid JSON: Expecting '','' delimiter: line 1 column 3 (char 2)","runtime":0.0,"output_type":"Pass/Fail","eval_id":"f55dbfd0-db34-41d8-99e2-bc0112b44f9d","backend":"local","request_id":"591c0b13-06bd-4c59-8d6b-a2a29388cf61"}}');
CREATE TABLE passes (pass INTEGER PRIMARY KEY, at REAL NOT NULL, info TEXT NOT NULL);
INSERT INTO "passes" VALUES(1,1.79574852012511444092e+09,'{"name":"old-program","templates":["is_json"],"model_name":null,"backend":"local","base_url":"local","started_at":1795748520.1251144,"ended_at":null,"version":"0.1.0","settings":{"concurrency":"auto","timeout":{"connect":10.0,"read":120.0,"case":"auto","call":null},"max_retries":4,"on_ambiguous":"resubmit","on_stalled":"fail","model_name":null,"strategy":"auto","fill_missing":true,"extra_keys":"forbid","poll_interval":null,"limits":[],"rows":"auto"},"source":{}}');
CREATE INDEX outcomes ON events (n) WHERE kind = 5;
COMMIT;
PRAGMA application_id = 1718182259;
PRAGMA user_version = 1;
