/**
 * What each role may do with the declared tables. The role that purges sees keys, references and the dates that start clocks, and writes
 * over what is personal without reading it; but for rows that the law keeps, whose values are sealed anew.
 */
import { type Catalogue, type Column, isPersonal, type Table } from '../catalogue/model';
import { replacementIn } from '../lifecycle/anonymise';
import { type Plan, planErasure, planRows } from '../lifecycle/plan';
import { rulesOf } from '../lifecycle/rule';
import type { Step } from '../lifecycle/step';
import { quoteIdentifier as q } from '../queryable';
import type { Grant, Role, TableGrants } from './own-grants';

/** Places of rows, by which they are found again under their lock. */
const PLACE = ['tableoid', 'ctid'];

export interface DeclaredGrants {
  readonly tables: readonly TableGrants[];
  /** Tables of which kept or archived rows are sealed anew, so that the purge has to open them. */
  readonly opened: readonly string[];
}

export function declaredGrants(catalogue: Catalogue, role: Role): DeclaredGrants {
  if (role === 'auditor' || role === 'keystore') return { tables: [], opened: [] };
  const tables = concernedTables(catalogue);
  if (role === 'purge') return purgeGrants(catalogue, tables);
  const privileges = role === 'app' ? (['select', 'insert', 'update', 'delete'] as const) : (['select'] as const);
  const grants = privileges.map((privilege): Grant => ({ privilege }));
  return { tables: tables.map(({ schema, sqlName }) => ({ schema, table: sqlName, grants })), opened: [] };
}

/** The declared tables, those that lead from them to people, and those that refer to them. Partitions are reached through their table. */
export function concernedTables(catalogue: Catalogue): Table[] {
  const oids = new Set(catalogue.tables.filter(({ declaration }) => declaration).map(({ oid }) => oid));
  for (const { table } of plansOf(catalogue).flatMap(({ steps }) => steps)) oids.add(table.oid);
  for (const { from, to } of catalogue.foreignKeys) if (oids.has(from)) oids.add(to);
  return catalogue.tables.filter(({ oid, isPartition, isView }) => oids.has(oid) && !isPartition && !isView);
}

function plansOf(catalogue: Catalogue): Plan[] {
  const kinds = catalogue.subjectKinds.flatMap((kind) => catalogue.subjectTable(kind) ?? []);
  const rules = rulesOf(catalogue).filter(({ kind }) => kind === undefined);
  return [
    ...kinds.map((table) => planErasure(catalogue, table)),
    ...rules.map(({ table, retention }) => planRows(catalogue, table, retention)),
  ];
}

function purgeGrants(catalogue: Catalogue, tables: readonly Table[]): DeclaredGrants {
  const steps = plansOf(catalogue).flatMap((plan) => plan.steps);
  const opened = new Set<string>();
  const granted = tables.map((table) => {
    const reads = new Set([...PLACE, ...namesOf(catalogue, table)]);
    const writes = new Set<string>();
    let removes = false;
    for (const step of steps.filter((each) => each.table === table)) {
      for (const name of readBy(step)) reads.add(name);
      for (const name of writtenBy(step)) writes.add(name);
      removes ||= step.action === 'delete' || step.action === 'archive' || step.shared?.mayLeave === true;
      if ((step.action === 'keep' || step.action === 'archive') && sealed(table).length > 0)
        opened.add(table.displayName);
    }
    // to lock a row takes the right to update some column of it
    if (writes.size === 0) for (const name of table.primaryKey.slice(0, 1)) writes.add(name);
    const grants: Grant[] = [{ privilege: 'select', columns: [...reads] }];
    if (writes.size > 0) grants.push({ privilege: 'update', columns: [...writes] });
    if (removes) grants.push({ privilege: 'delete' });
    return { schema: table.schema, table: table.sqlName, grants };
  });
  return { tables: granted, opened: [...opened] };
}

/** What names rows, leads from one to another, or starts a clock; never what is personal, but where that is what names her. */
function namesOf({ foreignKeys }: Catalogue, table: Table): string[] {
  const { declaration, primaryKey, columns, oid } = table;
  const keys = foreignKeys.flatMap((key) => [
    ...(key.from === oid ? [...key.columns, ...(key.declared?.when.map(([name]) => name) ?? [])] : []),
    ...(key.to === oid ? key.references : []),
  ]);
  const said = [...columns.values()].filter((column) => column.spec && !isPersonal(column)).map(({ name }) => name);
  const subject = declaration?.is === 'subject' ? [declaration.column] : [];
  return [...primaryKey, ...keys, ...subject, ...said];
}

function readBy(step: Step): string[] {
  const { table, action } = step;
  if (action === 'keep') return sealed(table).map(({ name }) => name);
  if (action === 'archive') return [...table.columns.keys()];
  if (action !== 'anonymise' && !step.shared) return [];
  const personal = [...table.columns.values()].filter(isPersonal);
  const rereads = table.declaration?.is === 'data' || step.shared !== undefined; // is there anything left of her?
  return personal.filter((column) => rereads || readsItself(table, column)).map(({ name }) => name);
}

/** A generalised value is made of the one before. */
function readsItself(table: Table, column: Column): boolean {
  return replacementIn(table, column, 't', "''").value?.includes(`t.${q(column.name)}`) ?? false;
}

function writtenBy(step: Step): string[] {
  const personal = [...step.table.columns.values()].filter((column) => isPersonal(column) && !column.generatedFrom);
  const detached = step.action === 'detach' ? step.ways.flatMap((way) => way[0]?.columns ?? []) : [];
  const shared = step.shared?.shares.flatMap(({ detaches }) => detaches) ?? [];
  const own = step.action === 'keep' ? sealed(step.table) : step.action === 'anonymise' || step.shared ? personal : [];
  return [...own.map(({ name }) => name), ...detached, ...shared];
}

function sealed(table: Table): Column[] {
  return [...table.columns.values()].filter(({ element }) => element?.protect === 'encrypt');
}
