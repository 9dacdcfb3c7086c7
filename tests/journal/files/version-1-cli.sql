BEGIN TRANSACTION;
CREATE TABLE cases (
    n INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    template TEXT NOT NULL,
    position INTEGER NOT NULL,
    id TEXT,
    inputs TEXT NOT NULL
);
INSERT INTO "cases" VALUES(1,'8037d4406d96ad9607ed9f85','contains',0,'0','{"text":"Paris 0"}');
INSERT INTO "cases" VALUES(2,'9e13a461f1d9c96e4c9beb5a','contains',2,'2','{"text":"Paris 2"}');
INSERT INTO "cases" VALUES(3,'6890d2887e34fa380d2c17f0','contains',3,'3','{"text":"Paris 3"}');
INSERT INTO "cases" VALUES(4,'de62ec8c8de076657fb6d4f2','contains',4,'4','{"text":"Paris 4"}');
INSERT INTO "cases" VALUES(5,'d94633a42c2fb691ae0ecda9','contains',5,'5','{"text":"Paris 5"}');
INSERT INTO "cases" VALUES(6,'bf64d0fafac777a4a73ab4a0','contains',1,'1','{"text":"Paris 1"}');
INSERT INTO "cases" VALUES(7,'8502cb6a20d71e938efda6c1','contains',7,NULL,'{"txt":1}');
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at REAL NOT NULL,
    body TEXT
);
INSERT INTO "events" VALUES(1,6,7,1.79574852005923056609e+09,'[1,"1"]');
INSERT INTO "events" VALUES(2,2,7,1.79574852005926871296e+09,'[2,"2"]');
INSERT INTO "events" VALUES(3,6,8,1.79574852005929803846e+09,'[6,null]');
INSERT INTO "events" VALUES(4,7,5,1.79574852005939030645e+09,'{"status":"invalid","backend":"local","latency_s":null,"error":{"type":"InvalidCaseError","message":"old.jsonl, line 8: contains needs the key ''text'' (or one of output, content). The case has: txt","facts":{"field":"text","index":7,"attempts":null}}}');
INSERT INTO "events" VALUES(5,1,1,1.79574852006784796715e+09,NULL);
INSERT INTO "events" VALUES(6,6,1,1.79574852006791281693e+09,NULL);
INSERT INTO "events" VALUES(7,2,1,1.79574852006793975831e+09,NULL);
INSERT INTO "events" VALUES(8,3,1,1795748520.06796,NULL);
INSERT INTO "events" VALUES(9,4,1,1.79574852006798171997e+09,NULL);
INSERT INTO "events" VALUES(10,5,1,1.79574852006800532336e+09,NULL);
INSERT INTO "events" VALUES(11,1,5,1.7957485200731937886e+09,'{"status":"scored","backend":"local","latency_s":0.005073644999811222,"attempts":1,"eval_id":"c8abeb56-a16e-41b7-ab42-ddbf85a2a840","result":{"name":"contains","output":"Failed","reason":"Keyword ''3'' not found in output","runtime":0.0,"output_type":"Pass/Fail","eval_id":"c8abeb56-a16e-41b7-ab42-ddbf85a2a840","backend":"local","request_id":"656ef556-1019-4c14-b1be-93ca3cc97f07"}}');
INSERT INTO "events" VALUES(12,6,5,1.79574852007389664651e+09,'{"status":"scored","backend":"local","latency_s":0.0059144460001334664,"attempts":1,"eval_id":"3c2632d0-861f-460f-a00a-ce2f87177268","result":{"name":"contains","output":"Failed","reason":"Keyword ''3'' not found in output","runtime":0.0,"output_type":"Pass/Fail","eval_id":"3c2632d0-861f-460f-a00a-ce2f87177268","backend":"local","request_id":"ae7db37b-3c64-4823-b370-bf9d1097a0cb"}}');
INSERT INTO "events" VALUES(13,2,5,1.79574852007437634469e+09,'{"status":"scored","backend":"local","latency_s":0.006374936999691272,"attempts":1,"eval_id":"46f1cb6f-45a9-4155-a0bc-3ea57415a523","result":{"name":"contains","output":"Failed","reason":"Keyword ''3'' not found in output","runtime":0.0,"output_type":"Pass/Fail","eval_id":"46f1cb6f-45a9-4155-a0bc-3ea57415a523","backend":"local","request_id":"64139a24-4b59-4117-ac6e-e6cdf1ff2067"}}');
INSERT INTO "events" VALUES(14,3,5,1.7957485200831356048e+09,'{"status":"scored","backend":"local","latency_s":0.006966429999920365,"attempts":1,"eval_id":"45e16dc2-a4ae-49e2-be6b-d335cc000745","result":{"name":"contains","output":"Passed","reason":"Keyword ''3'' found in output","runtime":0.0,"output_type":"Pass/Fail","eval_id":"45e16dc2-a4ae-49e2-be6b-d335cc000745","backend":"local","request_id":"de7802bc-5db2-474c-8334-873d344f50cc"}}');
INSERT INTO "events" VALUES(15,4,5,1.79574852008773088452e+09,'{"status":"scored","backend":"local","latency_s":0.019575897000322584,"attempts":1,"eval_id":"226ffc0d-6078-41df-b4c3-5b58a75a254e","result":{"name":"contains","output":"Failed","reason":"Keyword ''3'' not found in output","runtime":0.0,"output_type":"Pass/Fail","eval_id":"226ffc0d-6078-41df-b4c3-5b58a75a254e","backend":"local","request_id":"bf88d708-1415-4203-9529-b5b5df550486"}}');
INSERT INTO "events" VALUES(16,5,5,1.79574852009173607826e+09,'{"status":"scored","backend":"local","latency_s":0.02360527699966042,"attempts":1,"eval_id":"76cdddec-d0ef-4708-ae0d-e3a0fe11bd86","result":{"name":"contains","output":"Failed","reason":"Keyword ''3'' not found in output","runtime":0.0,"output_type":"Pass/Fail","eval_id":"76cdddec-d0ef-4708-ae0d-e3a0fe11bd86","backend":"local","request_id":"62c5e889-a05e-44d9-81e7-b94beabb8f08"}}');
CREATE TABLE passes (pass INTEGER PRIMARY KEY, at REAL NOT NULL, info TEXT NOT NULL);
INSERT INTO "passes" VALUES(1,1.7957485200089044571e+09,'{"name":"old-cli","templates":["contains"],"model_name":null,"backend":"local","base_url":"local","started_at":1795748520.0089045,"ended_at":null,"version":"0.1.0","settings":{"concurrency":"auto","timeout":{"connect":10.0,"read":120.0,"case":"auto","call":null},"max_retries":4,"on_ambiguous":"resubmit","on_stalled":"fail","model_name":null,"strategy":"auto","fill_missing":true,"extra_keys":"ignore","poll_interval":null,"limits":[],"rows":"auto"},"source":{"file":"/nowhere/old.jsonl","name":"old.jsonl","stamp":[205,1795748519464457856],"evaluations":8,"flags":{"evals":["contains"],"model":null,"concurrency":"auto","backend":"local","timeout":null,"on_ambiguous":"resubmit","on_stalled":"fail","max_retries":4,"strategy":"auto","param":["keyword=3"],"mapping":null,"constants":null,"id_column":"id","limit":null,"sample":null,"seed":0,"shared_budget":null,"min":null,"coverage":null,"fail_fast":false,"error_rate":null,"reuse":null,"duplicates":"once","drain":5.0,"dry_run":false}}}');
CREATE INDEX outcomes ON events (n) WHERE kind = 5;
COMMIT;
PRAGMA application_id = 1718182259;
PRAGMA user_version = 1;
