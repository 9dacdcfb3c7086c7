BEGIN TRANSACTION;
CREATE TABLE cases (
    n INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    template TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT,
    inputs TEXT NOT NULL
);
INSERT INTO "cases" VALUES(1,'8bdbc866f1885b79a58dc989','is_json',0,'q0','{"text":"[1]"}');
INSERT INTO "cases" VALUES(2,'daa54a39ca939bcd287d1c69','is_json',1,'q1','{"text":"no"}');
INSERT INTO "cases" VALUES(3,'da6892ee5e331bbef4811220','is_json',2,'q2','{"text":"{}"}');
INSERT INTO "cases" VALUES(4,'0d6a7350b664e39bf274f62b','is_json',3,'q3','{"text":"["}');
INSERT INTO "cases" VALUES(5,'05049d5a899fe48eb704fecb','is_json',4,'q4','{"text":"[2]"}');
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at REAL NOT NULL,
    body TEXT
);
INSERT INTO "events" VALUES(1,3,5,1.79577725003920841214e+09,'{"status":"invalid","backend":"local","latency_s":null,"error":{"type":"InvalidCaseError","message":"case 2: the input ''text'' is blank, and the server refuses blank inputs: give it text, or leave this case out","facts":{"field":"text","index":2,"attempts":null}}}');
INSERT INTO "events" VALUES(2,0,12,1.79577725004311537738e+09,'1');
INSERT INTO "events" VALUES(3,1,1,1.79577725004391121864e+09,NULL);
INSERT INTO "events" VALUES(4,2,1,1.79577725004394698135e+09,NULL);
INSERT INTO "events" VALUES(5,4,1,1795777250.04396,NULL);
INSERT INTO "events" VALUES(6,5,1,1.79577725004397153853e+09,NULL);
INSERT INTO "events" VALUES(7,1,5,1.79577725004672074317e+09,'{"status":"scored","backend":"local","latency_s":0.0029574420004792046,"attempts":1,"eval_id":"39ad2aca-01a1-4969-862f-7d35f2921f53","result":{"name":"is_json","output":"Passed","reason":"Text is valid JSON","runtime":0.0,"output_type":"Pass/Fail","eval_id":"39ad2aca-01a1-4969-862f-7d35f2921f53","backend":"local","request_id":"4243570bd2719256-1"}}');
INSERT INTO "events" VALUES(8,2,5,1.79577725004830956456e+09,'{"status":"scored","backend":"local","latency_s":0.004968781002389733,"attempts":1,"eval_id":"e8108f44-9130-45c1-85c9-63211974e81e","result":{"name":"is_json","output":"Failed","reason":"Text is not valid JSON: Expecting value: line 1 column 1 (char 0)","runtime":0.0,"output_type":"Pass/Fail","eval_id":"e8108f44-9130-45c1-85c9-63211974e81e","backend":"local","request_id":"4243570bd2719256-2"}}');
INSERT INTO "events" VALUES(9,4,5,1.79577725004883575433e+09,'{"status":"scored","backend":"local","latency_s":0.005570233002799796,"attempts":1,"eval_id":"10442e7d-7d2b-4549-948d-1ceeed6ef467","result":{"name":"is_json","output":"Failed","reason":"Text is not valid JSON: Expecting value: line 1 column 2 (char 1)","runtime":0.0,"output_type":"Pass/Fail","eval_id":"10442e7d-7d2b-4549-948d-1ceeed6ef467","backend":"local","request_id":"4243570bd2719256-3"}}');
INSERT INTO "events" VALUES(10,5,5,1.79577725004927563666e+09,'{"status":"scored","backend":"local","latency_s":0.006012058001942933,"attempts":1,"eval_id":"983f46e5-6b2d-4d42-8ae2-4548ed632d7b","result":{"name":"is_json","output":"Passed","reason":"Text is valid JSON","runtime":0.0,"output_type":"Pass/Fail","eval_id":"983f46e5-6b2d-4d42-8ae2-4548ed632d7b","backend":"local","request_id":"4243570bd2719256-4"}}');
CREATE TABLE passes (pass INTEGER PRIMARY KEY, at REAL NOT NULL, info TEXT NOT NULL);
INSERT INTO "passes" VALUES(1,1.79577724980609512326e+09,'{"name":"v2","templates":["is_json"],"model_name":null,"backend":"local","base_url":"local","started_at":1795777249.8060951,"ended_at":null,"version":"0.1.0","settings":{"concurrency":"auto","timeout":{"connect":10.0,"read":120.0,"case":"auto","call":null,"patience":300.0},"max_retries":4,"on_ambiguous":"resubmit","on_stalled":"fail","model_name":null,"strategy":"auto","fill_missing":true,"extra_keys":"forbid","poll_interval":null,"limits":[],"rows":"auto"},"source":{},"questions":[{"template":"is_json","model":null,"config":null,"custom_eval_name":null,"trace_eval":false,"span_id":null,"error_localizer":false,"fingerprint":null,"by":"cloud"}],"evaluations":5,"passes":[],"shard":null}');
CREATE INDEX outcomes ON events (n) WHERE kind = 5;
COMMIT;
PRAGMA application_id = 1718182259;
PRAGMA user_version = 2;
