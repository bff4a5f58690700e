/**
 * What the erasure of the person does to her rows here. `detach` takes only the link away, from rows that then hold nothing
 * personal; `review` blocks the erasure until a human has decided.
 */
export type OnErase = 'delete' | 'anonymise' | 'keep' | 'detach' | 'review';
