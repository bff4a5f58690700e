/**
 * The closed word lists of a declaration: the group, the lawful basis and the origin of a datum. The categories, the
 * longest list, stand in `categories.ts`. Registers and exports print the terms of the W3C Data Privacy Vocabulary
 * beside our own words, so that another tool can read them.
 *
 * Terms: `pd:EmailAddress` is `https://w3id.org/dpv/pd#EmailAddress`, `dpv:` is `https://w3id.org/dpv#`, `eu-gdpr:` is
 * `https://w3id.org/dpv/legal/eu/gdpr#`. W3C DPV 2.2, github.com/w3c/dpv, 2.2/dpv/dpv.csv and 2.2/legal/eu/gdpr/modules/legal_basis.csv.
 */

/**
 * Where a category stands in a privacy policy. The first five are the groups of the policy this product starts from
 * (POLICY.md P1); `finance` and `sensitive` are set apart because other rules hold there; `own` is what users add.
 */
export const GROUPS = {
  identity: 'Identity: who the person is and how to reach them',
  client: 'Client data: representatives, customers and suppliers of a client',
  activity: 'Activity: what the person makes, writes and does in the service',
  navigation: 'Navigation: connection, device, pages and durations',
  usage: 'Usage counters',
  finance: 'Finance: means of payment and what was paid',
  sensitive: 'Special categories and offences (GDPR Art. 9 and 10)',
  own: "The application's own categories",
} as const;
export type Group = keyof typeof GROUPS;

/** The six lawful bases of GDPR Art. 6(1); there is no seventh. */
export const BASES = {
  consent: { label: 'The person has consented', article: 'GDPR 6(1)(a)', dpv: 'eu-gdpr:A6-1-a' },
  contract: { label: 'A contract with the person needs it', article: 'GDPR 6(1)(b)', dpv: 'eu-gdpr:A6-1-b' },
  legal_obligation: { label: 'The law obliges to it', article: 'GDPR 6(1)(c)', dpv: 'eu-gdpr:A6-1-c' },
  vital_interests: { label: 'It protects a life', article: 'GDPR 6(1)(d)', dpv: 'eu-gdpr:A6-1-d' },
  public_task: { label: 'A public task needs it', article: 'GDPR 6(1)(e)', dpv: 'eu-gdpr:A6-1-e' },
  legitimate_interests: {
    label: 'A legitimate interest outweighs the impact',
    article: 'GDPR 6(1)(f)',
    dpv: 'eu-gdpr:A6-1-f',
  },
} as const;
export type Basis = keyof typeof BASES;
export const BASIS_KEYS = Object.keys(BASES) as readonly Basis[];

/** How a datum came to be there. Portability (GDPR Art. 20) covers what the person provided, not what was inferred. */
export const ORIGINS = {
  provided: { label: 'Given by the person', dpv: 'dpv:ProvidedPersonalData' },
  observed: { label: 'Recorded while the service was used', dpv: 'dpv:ObservedPersonalData' },
  derived: { label: 'Computed from other data', dpv: 'dpv:DerivedPersonalData' },
  inferred: { label: 'Concluded, with uncertainty, from other data', dpv: 'dpv:InferredPersonalData' },
  third_party: { label: 'Received from someone else (GDPR Art. 14)', dpv: 'dpv:ThirdPartyDataSource' },
} as const;
export type Origin = keyof typeof ORIGINS;
export const ORIGIN_KEYS = Object.keys(ORIGINS) as readonly Origin[];
