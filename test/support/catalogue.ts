/** Catalogues made by hand, for tests of what is decided from declarations and foreign keys alone. */
import type { SettledTableSpec } from '../../src/catalogue/check-table';
import { Catalogue, type Column, type Declaration, type ForeignKey, type Table } from '../../src/catalogue/model';
import type { OnErase } from '../../src/catalogue/on-erase';

/** What is said of a column. */
export type Said = 'personal' | 'not personal' | 'nothing' | About | Reference;

/** A personal column of somebody whom another column leads to. */
interface About {
  readonly about: string;
}

interface Reference {
  readonly to: string;
  readonly references: readonly string[];
  readonly with: readonly string[];
  readonly nullable: boolean;
  readonly onDelete: ForeignKey['onDelete'];
}

export interface TableMadeByHand {
  readonly name: string;
  readonly declaration: Declaration | undefined;
  readonly columns: Readonly<Record<string, Said>>;
}

/** A foreign key, NOT NULL unless said otherwise. */
export function to(table: string, options: Partial<Omit<Reference, 'to'>> = {}): Reference {
  return { to: table, references: ['id'], with: [], nullable: false, onDelete: 'no action', ...options };
}

export function subjects(
  name: string,
  columns: TableMadeByHand['columns'] = {},
  then: 'erase' | 'delete' | 'anonymise' = 'erase',
): TableMadeByHand {
  const retention = { from: 'ended_on', keep: '6 months', then, timeZone: 'UTC' } as const;
  const spec = { purpose: 'serve', basis: 'contract', retention } as const;
  return { name, columns, declaration: { is: 'subject', kind: name.replace(/s$/, ''), column: 'id', spec } };
}

export function data(
  name: string,
  columns: TableMadeByHand['columns'],
  onErase: OnErase = 'delete',
  via?: string,
): TableMadeByHand {
  const retention = { from: 'at', keep: '10 years', then: 'delete', because: 'the law', timeZone: 'UTC' } as const;
  const spec = { purpose: 'serve', basis: 'contract', onErase, ...(via ? { subject: { via } } : {}) };
  const kept = onErase === 'keep' ? { ...spec, retention } : spec;
  return { name, columns, declaration: { is: 'data', spec: kept as SettledTableSpec } };
}

/** A table that no migration speaks of. */
export function undeclared(name: string, columns: TableMadeByHand['columns']): TableMadeByHand {
  return { name, columns, declaration: undefined };
}

/** Every table has a primary key `id` beside the columns that are named. */
export function catalogueOf(...made: TableMadeByHand[]): Catalogue {
  const oids = new Map(made.map(({ name }, place) => [name, place + 1]));
  const keys: ForeignKey[] = [];
  const tables = made.map(({ name, declaration, columns }): Table => {
    const oid = oids.get(name) as number;
    for (const [column, said] of Object.entries(columns)) {
      if (typeof said === 'string' || 'about' in said) continue;
      const { to: other, references, with: more, onDelete } = said;
      keys.push({
        id: 20_000 + keys.length,
        name: `${name}_${column}_fkey`,
        from: oid,
        to: oids.get(other) as number,
        columns: [column, ...more],
        references,
        onDelete,
      });
    }
    const all = Object.entries({ id: 'nothing' as const, ...columns });
    return {
      oid,
      schema: 'public',
      name,
      sqlName: name,
      displayName: name,
      guarded: false,
      isView: false,
      parents: [],
      isPartition: false,
      triggers: [],
      rules: [],
      primaryKey: ['id'],
      declaration,
      columns: new Map(all.map(([column, said], place) => [column, columnOf(column, place + 1, said)])),
    };
  });
  return new Catalogue(new Uint8Array(16), tables, keys, []);
}

function columnOf(name: string, position: number, said: Said): Column {
  const common = { position, type: 'text', defaultSql: undefined, identityAlways: false, element: undefined, name };
  const about = typeof said !== 'string' && 'about' in said ? { subject: { via: said.about } } : undefined;
  const notNull = name === 'id' || (typeof said !== 'string' && 'to' in said && !said.nullable);
  if (said === 'personal' || about) {
    const spec = { category: 'identity.name', protect: 'clear', because: 'a test', origin: 'provided', ...about };
    return { ...common, notNull, spec: spec as never };
  }
  return { ...common, notNull, spec: said === 'not personal' ? { notPersonal: 'a test' } : undefined };
}
