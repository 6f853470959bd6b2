// SPDX-License-Identifier: Apache-2.0

package precheck

import (
	"context"
	"slices"
)

// Item describes one check to people.
type Item struct {
	// Name is DTS's own where DTS has such a check.
	Name string
	// Category groups items; a command may ask for one by name.
	Category string
	// Good is what the check says when nothing is wrong.
	Good string
}

// check is an item and how it is looked at. It returns no finding when all is
// well, and an error only when it can't tell.
type check struct {
	Item
	run func(context.Context, *session) ([]Finding, error)
}

// The categories.
const (
	connectivity = "connectivity"
	server       = "server"
	privileges   = "privileges"
	binlog       = "binlog"
	objects      = "objects"
	topics       = "topics"
	taskState    = "task"
)

// registry lists the checks in the order they run and are reported: what many
// others hang on comes first.
func registry() []check {
	return []check{
		{Item{"CHECK_CONN_SRC", connectivity, "MySQL can be reached and takes the login"}, checkSource},
		{Item{"CHECK_CONN_DEST", connectivity, "RocketMQ can be reached and takes the credentials"}, checkDestination},
		{Item{"CHECK_CONN_STATE", connectivity, "the state store keeps objects and refuses to create one twice"}, checkStore},

		{Item{"CHECK_SRC", server, "the server's version is supported"}, checkVersion},
		{Item{"CHECK_SERVER_ID", server, "server_id is set"}, checkServerID},
		{Item{"CHECK_GTID_MODE", server, "gtid_mode and enforce_gtid_consistency are ON"}, checkGTIDMode},
		{Item{"CHECK_TOPOLOGY", server, "the server logs all it executes"}, checkTopology},
		{Item{"CHECK_DURABILITY", server, "a crash of the server takes back nothing it logged"}, checkDurability},
		{Item{"CHECK_XA", server, "no XA transaction is left prepared"}, checkXA},

		{Item{"CHECK_PRIV_REPLICATION_CLIENT", privileges, "REPLICATION CLIENT is granted"}, checkReplicationClient},
		{Item{"CHECK_PRIV_REPLICATION_SLAVE", privileges, "REPLICATION SLAVE is granted"}, checkReplicationSlave},
		{Item{"CHECK_PRIV_SELECT", privileges, "SELECT is granted on all that the task selects"}, checkSelect},
		{Item{"CHECK_PRIV_SHOW_VIEW", privileges, "SHOW VIEW is granted on all that the task selects"}, checkShowView},
		{Item{"CHECK_PRIV_XA_RECOVER", privileges, "prepared XA transactions can be seen"}, checkXARecover},

		{Item{"CHECK_LOG_BIN", binlog, "the binlog is on"}, checkLogBin},
		{Item{"CHECK_BINLOG_FORMAT", binlog, "binlog_format is ROW"}, checkFormat},
		{Item{"CHECK_BINLOG_ROW_IMAGE", binlog, "binlog_row_image is FULL"}, checkRowImage},
		{Item{"CHECK_BINLOG_ROW_METADATA", binlog, "binlog_row_metadata is FULL"}, checkRowMetadata},
		{Item{"CHECK_BINLOG_PARTIAL_JSON", binlog, "JSON columns are logged whole"}, checkPartialJSON},
		{Item{"CHECK_BINLOG_FILTER", binlog, "the binlog leaves out no selected database"}, checkFilter},
		{Item{"CHECK_BINLOG_RETENTION", binlog, "the binlog is kept long enough"}, checkRetention},
		{Item{"CHECK_BINLOG_COMPRESSION", binlog, "transactions are not compressed in the binlog"}, checkCompression},

		{Item{"CHECK_OBJECTS", objects, "every entry selects a table, and every table is selected by one entry"}, checkObjects},
		{Item{"CHECK_TABLE_KEY", objects, "every table has a key that its chunks can follow"}, checkTableKeys},
		{Item{"CHECK_KEY_COLUMNS", objects, "keyColumns are columns of their tables' keys"}, checkKeyColumns},
		{Item{"CHECK_ENGINE", objects, "every table is InnoDB"}, checkEngines},
		{Item{"CHECK_COLUMNS", objects, "every column's type and charset is supported"}, checkColumns},
		{Item{"CHECK_FK_CASCADE", objects, "no foreign key changes rows behind the binlog's back"}, checkCascades},

		{Item{"CHECK_TOPIC", topics, "every topic exists, is FIFO and takes messages"}, checkTopics},

		{Item{"CHECK_SAME_OBJ", taskState, "there is no earlier run of this name"}, checkEarlierRun},
		{Item{"CHECK_TASK", taskState, "the task file is sound"}, checkTask},
	}
}

// Items lists every item, in the order of the report.
func Items() []Item {
	var items []Item
	for _, c := range registry() {
		items = append(items, c.Item)
	}
	return items
}

// Categories lists the categories, in the order of the report.
func Categories() []string {
	var names []string
	for _, c := range registry() {
		if !slices.Contains(names, c.Category) {
			names = append(names, c.Category)
		}
	}
	return names
}
