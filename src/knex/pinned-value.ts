/**
 * A value for raw SQL that says whose it is: `subject('user', 42).value('Ada')`. Raw text gives no way to tell under whose
 * key a parameter is to be sealed, so the caller does. Printed, it shows nothing.
 */
import { ValueMarker } from './marker';
import type { SubjectRow } from './subject-row';

export class PinnedValue extends ValueMarker {
  constructor(
    value: unknown,
    readonly row: SubjectRow,
  ) {
    super(`value of a ${row.path.kind}`, value);
  }
}
