// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"slipway/shared/change"
	"slipway/shared/fault"
	"slipway/shared/mysql"
	"slipway/shared/pipeline"
	"slipway/shared/state"
	"slipway/shared/task"
)

// PlannerConfig is what planning works with.
type PlannerConfig struct {
	Task     *task.Task
	State    *state.Task
	Source   mysql.Config
	Pipeline *pipeline.Pipeline
	// Queues lists the queues of each topic (rule D7).
	Queues func(ctx context.Context, topic string) ([]string, error)
	// ChunkRows overrides how many rows a chunk is planned for; 0 decides by the
	// table's average row length.
	ChunkRows int64
	ServerID  uint32
	Logger    *slog.Logger
	// XAWait bounds the wait for XA transactions that were prepared before P0.
	XAWait time.Duration
	// Age is how old a position must be to be read behind, at least; 0 means
	// DefaultAge (rule S11).
	Age   time.Duration
	Hooks PlanHooks
}

// PlanHooks let a test act in the middle of planning.
type PlanHooks struct {
	P0 func() // P0 is taken, XA RECOVER not yet asked
}

// Planner makes plans. Planning again gives the plan that is there.
type Planner struct{ cfg PlannerConfig }

// NewPlanner makes a planner.
func NewPlanner(cfg PlannerConfig) *Planner {
	if cfg.Age == 0 {
		cfg.Age = DefaultAge
	}
	return &Planner{cfg}
}

// errMoved says that a DDL came between; planning starts over.
var errMoved = errors.New("a selected table changed while it was planned")

// Plan creates the task's plan and the first generation of every table, or
// completes what an earlier call began. It returns how many chunks there are.
func (p *Planner) Plan(ctx context.Context) (*Plan, int, error) {
	plan, err := LoadPlan(ctx, p.cfg.State)
	if errors.Is(err, state.ErrNotFound) {
		plan, err = p.create(ctx)
	}
	if err != nil {
		return nil, 0, err
	}
	if err := plan.Fits(p.cfg.Task); err != nil {
		return nil, 0, err
	}
	conn, err := mysql.Connect(ctx, p.cfg.Source)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	chunks := 0
	for _, name := range plan.Tables {
		gen, err := p.generation(ctx, conn, name, 0, base{plan.P0, plan.Since}, 0)
		if err != nil {
			return nil, 0, err
		}
		chunks += gen.Chunks()
	}
	return plan, chunks, nil
}

// Again plans a new generation of each table, whose rows carry number seq: that
// of the last reset. Resets have numbers of their own, so asking twice plans
// once.
func (p *Planner) Again(ctx context.Context, tables []change.TableName, seq int64) (int, error) {
	plan, err := p.join(ctx, tables)
	if err != nil {
		return 0, err
	}
	conn, err := mysql.Connect(ctx, p.cfg.Source)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	chunks := 0
	var b *base
	for _, name := range tables {
		latest, err := LatestGeneration(ctx, p.cfg.State, name)
		if err != nil {
			return 0, err
		}
		number := int64(0)
		if latest != nil {
			number = latest.Gen + 1
		}
		if latest == nil || latest.Seq != seq {
			if b == nil {
				if b, err = p.base(ctx, conn, plan.ByPosition()); err != nil {
					return 0, err
				}
			}
			if latest, err = p.generation(ctx, conn, name, number, *b, seq); err != nil {
				return 0, err
			}
		}
		chunks += latest.Chunks()
	}
	return chunks, nil
}

// join adds tables to the plan that it doesn't have yet, and gives the plan. Who
// loses the race for a page looks again.
func (p *Planner) join(ctx context.Context, tables []change.TableName) (*Plan, error) {
	for {
		plan, err := LoadPlan(ctx, p.cfg.State)
		if err != nil {
			return nil, err
		}
		var page planPage
		for _, name := range tables {
			if !slices.Contains(plan.Tables, name) {
				page.Tables = append(page.Tables, name)
			}
		}
		if len(page.Tables) == 0 {
			return plan, nil
		}
		err = state.CreateJSON(ctx, p.cfg.State.Store, p.cfg.State.PlanPage(plan.pages+1), page)
		if err != nil && !errors.Is(err, state.ErrExists) {
			return nil, err
		}
	}
}

// create pins the run: P0, P1, the tables, the queues (rule S2). A crash
// before the object is there leaves nothing.
func (p *Planner) create(ctx context.Context) (*Plan, error) {
	for range 10 {
		plan, err := p.measure(ctx)
		if errors.Is(err, errMoved) {
			p.cfg.Logger.Info("planning again", "reason", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		err = state.CreateJSON(ctx, p.cfg.State.Store, p.cfg.State.Plan(), plan)
		if errors.Is(err, state.ErrExists) {
			return LoadPlan(ctx, p.cfg.State)
		}
		return plan, err
	}
	return nil, fmt.Errorf("%w, ten times over: hold the DDL back until the plan is made", errMoved)
}

func (p *Planner) measure(ctx context.Context) (*Plan, error) {
	conn, err := mysql.Connect(ctx, p.cfg.Source)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	plan := &Plan{Version: planVersion, ConfigHash: p.cfg.Task.Hash(), Time: now(), Queues: map[string][]string{}}
	if plan.ServerUUID, err = conn.ServerUUID(ctx); err != nil {
		return nil, err
	}
	settle, err := p.origin(ctx, conn, plan)
	if err != nil {
		return nil, err
	}
	if p.cfg.Hooks.P0 != nil {
		p.cfg.Hooks.P0()
	}
	if err := p.awaitXA(ctx, conn, settle); err != nil {
		return nil, err
	}
	p1, err := p.base(ctx, conn, plan.ByPosition())
	if err != nil {
		return nil, err
	}
	plan.P1, plan.Since = p1.b, p1.since
	if plan.Tables, err = p.tables(ctx, conn); err != nil {
		return nil, err
	}
	for _, topic := range p.cfg.Task.Topics() {
		if plan.Queues[topic], err = p.cfg.Queues(ctx, topic); err != nil {
			return nil, err
		}
	}
	schema, err := p.schema(ctx, conn, plan.Tables)
	if err != nil {
		return nil, err
	}
	end, err := conn.LogEnd(ctx)
	if err != nil {
		return nil, err
	}
	touched, err := p.noDDL(ctx, plan, end)
	if err != nil {
		return nil, err
	}
	for _, name := range touched {
		schema.Lose(name, "it was changed while the task was planned")
	}
	plan.Schema, err = SaveSchema(ctx, p.cfg.State, 0, schema)
	return plan, err
}

// origin takes P0; settle is how long a PREPARE in it may take to show in XA
// RECOVER.
func (p *Planner) origin(ctx context.Context, conn *mysql.Conn, plan *Plan) (settle time.Duration, err error) {
	gtids, err := conn.HasGTIDs(ctx)
	if err != nil {
		return 0, err
	}
	if gtids {
		plan.P0, err = conn.Executed(ctx)
		return xaSettle, err
	}
	if plan.P0, plan.Log, err = conn.Logged(ctx); err != nil {
		return 0, err
	}
	return ageAt(ctx, conn, xaSettleLogged)
}

// tables lists the selected tables as they are now.
func (p *Planner) tables(ctx context.Context, conn *mysql.Conn) ([]change.TableName, error) {
	all, err := mysql.ListTables(ctx, conn)
	if err != nil {
		return nil, err
	}
	var names []change.TableName
	for _, t := range all {
		_, ok, err := p.cfg.Task.Select(t.Database, t.Name)
		if err != nil {
			return nil, fault.New(fault.Config, "", "%w", err)
		}
		if ok {
			names = append(names, t.TableName)
		}
	}
	return names, nil
}

// xaSettle is how long a PREPARE may take to show in XA RECOVER once its GTID
// is executed; xaSettleLogged once it is in the log, and no replica is waited
// for. One that takes longer stops the tail at its COMMIT.
const (
	xaSettle       = 200 * time.Millisecond
	xaSettleLogged = 2 * time.Second
)

// awaitXA waits until every XA transaction that was prepared at P0 has ended:
// its rows are in no event after P0 (rules S2, S5). Those prepared since don't
// matter, so a server that always has some can be planned. Without the
// privilege to ask, the precheck has warned.
func (p *Planner) awaitXA(ctx context.Context, conn *mysql.Conn, settle time.Duration) error {
	deadline := time.Now().Add(p.cfg.XAWait)
	var old []string // prepared at P0, as far as can be told
	for round := 0; ; round++ {
		xids, err := conn.PreparedXIDs(ctx)
		if mysql.ErrorCode(err) == 1227 || mysql.ErrorCode(err) == 1401 {
			p.cfg.Logger.Warn("can't ask for prepared XA transactions: none is assumed", "remedy", "GRANT XA_RECOVER_ADMIN")
			return nil
		}
		if err != nil {
			return err
		}
		if round < 2 { // twice, settle apart
			old = append(old, xids...)
		} else {
			old = slices.DeleteFunc(old, func(xid string) bool { return !slices.Contains(xids, xid) })
		}
		if round > 0 && len(old) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fault.New(fault.Blocked, "XA COMMIT or XA ROLLBACK each, then plan again",
				"XA transactions are prepared and neither committed nor rolled back: %s", strings.Join(slices.Compact(old), "; "))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(settle):
		}
	}
}

// generation plans one generation of a table, or reads the one that is there.
func (p *Planner) generation(ctx context.Context, conn *mysql.Conn, name change.TableName, number int64, b base, seq int64) (*Generation, error) {
	key := p.cfg.State.GenerationPlan(state.TableOf(name), number)
	if g, err := state.GetJSON[Generation](ctx, p.cfg.State.Store, key); err == nil || !errors.Is(err, state.ErrNotFound) {
		return &g, err
	}
	g := &Generation{Gen: number, Seq: seq, B: b.b, Since: b.since, Mode: None, Table: &change.Table{Database: name.Database, Name: name.Name}}
	loaded, err := mysql.LoadDefinitions(ctx, conn, []change.TableName{name})
	if err != nil {
		return nil, err
	}
	if d := loaded[name]; d != nil { // else dropped since: the tail tells the rest
		g.Table = d.Table
		if err := p.cut(ctx, conn, g, d); err != nil {
			return nil, fmt.Errorf("plan table %s: %w", name, err)
		}
	}
	if err := state.CreateJSON(ctx, p.cfg.State.Store, key, g); err != nil && !errors.Is(err, state.ErrExists) {
		return nil, err
	}
	got, err := state.GetJSON[Generation](ctx, p.cfg.State.Store, key) // another planner may have been first
	return &got, err
}

// Chunks are planned for this many bytes of table, within these rows.
const (
	chunkTarget  = 8 << 20
	minChunkRows = 1_000
	maxChunkRows = 100_000
	// maxChunks bounds a table's plan and seam: larger tables have larger chunks.
	maxChunks = 10_000
)

// cut decides how a table is read, and where its chunks begin.
func (p *Planner) cut(ctx context.Context, conn *mysql.Conn, g *Generation, d *mysql.Definition) error {
	route, err := p.cfg.Pipeline.Route(g.Table)
	if err != nil {
		return err
	}
	if !p.cfg.Task.Full() {
		return nil
	}
	size, err := conn.TableSize(ctx, g.Table)
	if err != nil {
		return err
	}
	g.Estimate = size.Rows
	unordered, err := p.foundUnordered(ctx, g)
	if err != nil {
		return err
	}
	switch {
	case route.Key == nil || !route.Key.Canonical() || route.Key.Ambiguous() != "" || !strings.EqualFold(g.Table.Engine, "InnoDB"):
		// Without keys that tell rows apart no change can be laid over its row.
		g.Mode = Loose
		return nil
	case !route.Key.Ordered() || d.KeyIndex().Prefixed() || unordered:
		g.Mode = Whole
		return nil
	}
	g.Mode = Ranges
	rows := p.cfg.ChunkRows
	if rows == 0 {
		rows = min(max(chunkTarget/max(size.AverageRow, 1), minChunkRows), maxChunkRows)
		rows = max(rows, size.Rows/maxChunks) // cut by size when they are read (rule S9)
	}
	g.Ranges, err = conn.PlanRanges(ctx, d, rows, max(size.Rows, 1))
	return err
}

// foundUnordered tells whether the generation before was given up because our
// key order isn't the server's (rule S7).
func (p *Planner) foundUnordered(ctx context.Context, g *Generation) (bool, error) {
	for n := range g.Gen {
		v, err := state.GetJSON[Void](ctx, p.cfg.State.Store, p.cfg.State.Void(state.Table(g.Table.Database, g.Table.Name), n))
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return false, err
		}
		if err == nil && v.Unordered {
			return true, nil
		}
	}
	return false, nil
}
