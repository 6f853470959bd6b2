// SPDX-License-Identifier: Apache-2.0

package tail

import (
	"cmp"
	"fmt"

	"slipway/shared/change"
	"slipway/shared/deliver"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/state"
)

// ddl delivers one table's part of a statement as a barrier: everything before
// it is acknowledged before it is sent, and it before what follows.
func (h *handler) ddl(e mysql.Event, c *mysql.TableChange) error {
	name := change.TableName{Database: c.Database, Name: c.Name}
	old := name
	if c.FromName != "" {
		old = change.TableName{Database: c.FromDatabase, Name: c.FromName}
	}
	if c.Unlogged {
		return fault.New(fault.UnreadableEvent, "take a new snapshot under a new task name",
			"transaction %s changes rows of %s without logging them: %s", h.tx.gtid, name, excerpt(e.Query.SQL))
	}
	verdict := ordinary
	if c.Removes {
		verdict = max(h.seams.remove(old, h.tx.gtid), h.seams.remove(name, h.tx.gtid))
	}
	ordinal := h.tx.ordinals[name]
	h.tx.ordinals[name] = ordinal + 1
	fresh := h.count()
	if verdict == spoiled {
		return h.startOverBoth(old, name, e.Time, fresh)
	}
	if verdict == held || !fresh {
		h.lanes.Advance(h.seq)
		return nil
	}
	return h.barrier(&change.Change{
		Op: change.OpDDL, Phase: change.PhaseIncremental, Table: &change.Table{Database: c.Database, Name: c.Name},
		Time: e.Time, GTID: h.tx.given, Seq: h.seq, Origin: h.tx.text + "/" + name.String(), Ordinal: ordinal, Replay: h.replay(),
		DDL: &change.DDL{Type: c.Type, Database: c.Database, Table: c.Name, SQL: e.Query.SQL},
	}, h.ddlTopic)
}

// barrier sends one message between everything before and everything after.
func (h *handler) barrier(c *change.Change, topic string) error {
	if err := h.lanes.Drain(h.ctx); err != nil {
		return err
	}
	if err := h.reserve.await(h.ctx, c.Seq); err != nil {
		return err
	}
	if err := h.lanes.Put(h.ctx, deliver.Item{Change: c, Lane: pipeline.DDLLane, Topic: topic}); err != nil {
		return err
	}
	h.lanes.Advance(h.seq)
	return h.lanes.Drain(h.ctx)
}

// startOverBoth starts a table over under its old name and under its new one,
// where its rows are now: rows read before a RENAME came under the old.
func (h *handler) startOverBoth(old, name change.TableName, time int64, fresh bool) error {
	if err := h.startOver(old, time, fresh); err != nil || name == old || !h.pipe.Selected(name.Database, name.Name) {
		return err
	}
	return h.startOver(name, time, h.count())
}

// startOver tells consumers to forget the table's rows, and asks for a new
// generation, whose rows will carry a number no lower (rule S4). What a tail
// before this one sent is not sent again (fresh is false), but is owed still.
func (h *handler) startOver(name change.TableName, time int64, fresh bool) error {
	opens := int64(0)
	if t := h.seams.tables[name]; t != nil {
		opens = t.Gen + 1
	}
	h.again = append(h.again, name)
	// The position may not pass the statement without saying what is owed.
	h.tx.effects = append(h.tx.effects, func(cp *state.Checkpoint) { cp.Again = append(cp.Again, name.String()) })
	delete(h.seams.tables, name)
	if h.seams.noReset || !fresh {
		h.lanes.Advance(h.seq)
		return nil
	}
	return h.barrier(&change.Change{
		Op: change.OpDDL, Phase: change.PhaseIncremental, Table: &change.Table{Database: name.Database, Name: name.Name},
		Time: time, GTID: h.tx.given, Seq: h.seq, Origin: fmt.Sprintf("%s.%s/%d", name.Database, name.Name, opens), Replay: h.replay(), Reset: true,
		DDL: &change.DDL{
			Type: change.DDLTruncate, Database: name.Database, Table: name.Name,
			SQL: "TRUNCATE TABLE " + mysql.QuoteName(name.Database) + "." + mysql.QuoteName(name.Name),
		},
	}, cmp.Or(h.pipe.Topic(name.Database, name.Name), h.ddlTopic))
}
