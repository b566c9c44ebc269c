BEGIN TRANSACTION;
CREATE TABLE changes (
	id INTEGER NOT NULL, 
	seller TEXT NOT NULL, 
	run TEXT NOT NULL, 
	offer_id TEXT NOT NULL, 
	external_id TEXT, 
	way TEXT NOT NULL, 
	state TEXT NOT NULL, 
	command TEXT, 
	old_price TEXT, 
	old_currency TEXT, 
	new_price TEXT, 
	new_currency TEXT, 
	old_stock INTEGER, 
	new_stock INTEGER, 
	old_status TEXT, 
	operation TEXT, 
	code TEXT, 
	errors TEXT, 
	trace_id TEXT, 
	updated_at TEXT NOT NULL, 
	reported BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE delivered_orders (
	workbook TEXT NOT NULL, 
	seller TEXT NOT NULL, 
	order_id TEXT NOT NULL, 
	revision TEXT NOT NULL, 
	PRIMARY KEY (workbook, seller, order_id)
);
INSERT INTO "delivered_orders" VALUES('/a.xlsx','s','o1','r1');
CREATE TABLE entries (
	id INTEGER NOT NULL, 
	seller TEXT NOT NULL, 
	external_id TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	run TEXT NOT NULL, 
	state TEXT NOT NULL, 
	price TEXT, 
	currency TEXT, 
	stock INTEGER, 
	offer_id TEXT, 
	operation TEXT, 
	code TEXT, 
	details TEXT, 
	trace_id TEXT, 
	created_at TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	reported BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT one_attempt UNIQUE (seller, external_id, attempt)
);
INSERT INTO "entries" VALUES(1,'https://api.example e-sklep1','A',1,'r1','done','12.30','PLN',3,'77',NULL,'draft_created','{"product": "5901234123457"}',NULL,'2026-11-24T12:30:00+00:00','2026-11-24T12:30:00+00:00',0);
INSERT INTO "entries" VALUES(2,'https://api.example e-sklep1','B',1,'r1','sending',NULL,NULL,NULL,NULL,NULL,NULL,'{"product": null}',NULL,'2026-11-24T12:30:00+00:00','2026-11-24T12:30:00+00:00',0);
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value TEXT, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema','1');
CREATE TABLE order_marks (
	workbook TEXT NOT NULL, 
	seller TEXT NOT NULL, 
	read_until TEXT NOT NULL, 
	PRIMARY KEY (workbook, seller)
);
INSERT INTO "order_marks" VALUES('/a.xlsx','s','2026-11-02T00:00:00+00:00');
CREATE TABLE owed (
	id INTEGER NOT NULL, 
	workbook TEXT NOT NULL, 
	run TEXT NOT NULL, 
	answers TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "owed" VALUES(1,'/a.xlsx','r1','[1]');
CREATE TABLE runs (
	name TEXT NOT NULL, 
	workbook TEXT NOT NULL, 
	undoes TEXT, 
	started TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "runs" VALUES('r1','/a.xlsx',NULL,'2026-11-24T12:30:00+00:00');
CREATE INDEX changes_unsettled ON changes (seller, reported, state);
CREATE INDEX changes_of_run ON changes (run);
COMMIT;
