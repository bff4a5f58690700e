/** Opens the values of one result, each as its column's declared type has it. */
import { type Element, namesOfLabel } from '../catalogue/model';
import { elementOf, isEnvelope } from '../crypto/envelope';
import { type Names, NotSealedError, TamperedError } from '../errors';
import { KeyCache } from '../keyring/key-cache';
import { ResultOpener } from '../keyring/sealer';
import type { KeyState } from '../keyring/subject-keys';
import type { Connection } from './internals';
import type { NestedPlace } from './nested-values';
import type { Seam } from './seam';

export type TypeParsers = Pick<Connection, 'getTypeParser'>;

const named = new WeakMap<Element, Names>();

/** A look-up of one row opens no more than a handful of values: what is the same for every result is kept. */
function namesOf(element: Element): Names {
  let names = named.get(element);
  if (!names) {
    names = namesOfLabel(element.label);
    named.set(element, names);
  }
  return names;
}

/** An element, with what is the same for all its values in one result. */
interface Plan {
  readonly element: Element;
  readonly names: Names;
  /** This connection's type parser of the column's declared type. */
  readonly parse: (text: string) => unknown;
}

export class Opening {
  private readonly plans = new Map<number, Plan>();
  private readonly opener: ResultOpener;

  constructor(
    private readonly seam: Seam,
    keys: ReadonlyMap<string, KeyState>,
    private readonly parsers: TypeParsers,
  ) {
    this.opener = new ResultOpener(seam.sealer.place, (keyId) => keys.get(KeyCache.nameOf(keyId)));
  }

  open(bytes: Uint8Array, origin: Element | undefined, render?: NestedPlace['render']): unknown {
    if (!isEnvelope(bytes)) return this.notSealed(bytes, origin);
    const { element, names, parse } = this.planOf(origin?.id ?? elementOf(bytes));
    const decoded = this.opener.open(bytes, element.id, names);
    if (render) return decoded && render(decoded);
    return decoded && parse(decoded.codec === 'bytes' ? `\\x${decoded.bytes.toString('hex')}` : decoded.text);
  }

  wipe(): void {
    this.opener.wipe();
  }

  private planOf(id: number): Plan {
    const made = this.plans.get(id);
    if (made) return made;
    const element = this.seam.catalogue.element(id);
    if (!element) throw new TamperedError('SEALED_VALUE_TAMPERED', {});
    const parse = this.parsers.getTypeParser(element.declaredOid, 'text');
    const plan = { element, names: namesOf(element), parse };
    this.plans.set(id, plan);
    return plan;
  }

  /** A row from before the declaration, while its table is in transition; anything else should not be there (E10). */
  private notSealed(bytes: Uint8Array, origin: Element | undefined): unknown {
    if (origin?.state !== 'transition') throw new NotSealedError('NOT_SEALED', namesOfLabel(origin?.label ?? ''));
    return this.planOf(origin.id).parse(Buffer.from(bytes).toString('utf8'));
  }
}
