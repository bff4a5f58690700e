/** The part of a faker instance used here, versions 8 to 10: the team's own, in the team's language. */
export interface FakerLike {
  seed(seed: number | number[]): unknown;
  readonly person: { fullName(): string; firstName(): string; lastName(): string };
  readonly internet: { userName?(): string; username?(): string };
  readonly company: { name(): string };
}
