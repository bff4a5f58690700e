/**
 * What a personal datum is about. Every personal column names one of these, or one of its own (`own.<word>`, see
 * `own-category.ts`); there is no "other" (POLICY.md P1).
 *
 * Each key is mapped to two public taxonomies, so that a register can be read by other tools:
 *  - fideslang 3.2, github.com/ethyca/fideslang, data_files/data_categories.csv (no key deprecated in 3.2 is used)
 *  - W3C DPV Personal Data 2.2, github.com/w3c/dpv, 2.2/pd/pd.csv, namespace https://w3id.org/dpv/pd#
 *
 * A key is stored in the catalogue of every database: add keys, never rename one.
 */
import type { Group } from './vocabulary';

export type FideslangKey = 'user' | `user.${string}`;
export type PdTerm = `pd:${string}`;

/** What is known of a category. */
export interface CategoryFacts {
  readonly label: string;
  readonly group: Group;
  readonly fideslang: FideslangKey;
  readonly dpv: PdTerm;
  /** GDPR Art. 9: processing is prohibited but for the exceptions of Art. 9(2). */
  readonly special?: true;
  /** So few values that a blind index shows who has which (ENVELOPE.md I2). */
  readonly fewValues?: true;
}

/** One row a line: label, fideslang, DPV, and what else is true of it. */
const row =
  (group: Group) =>
  (label: string, fideslang: FideslangKey, dpv: PdTerm, more: Pick<CategoryFacts, 'special' | 'fewValues'> = {}) =>
    ({ label, group, fideslang, dpv, ...more }) satisfies CategoryFacts;

const identity = row('identity');
const client = row('client');
const activity = row('activity');
const navigation = row('navigation');
const usage = row('usage');
const finance = row('finance');
const sensitive = row('sensitive');

const FEW = { fewValues: true } as const;
/** GDPR Art. 9(1). */
const SPECIAL = { special: true } as const;
const SPECIAL_FEW = { special: true, fewValues: true } as const;

export const CATEGORIES = {
  'identity.name': identity('Name', 'user.name', 'pd:Name'),
  'identity.first_name': identity('First name', 'user.name.first', 'pd:Name'),
  'identity.last_name': identity('Family name', 'user.name.last', 'pd:Name'),
  'identity.birth_date': identity('Date of birth', 'user.demographic.date_of_birth', 'pd:BirthDate'),
  'identity.birth_place': identity('Place of birth', 'user.demographic', 'pd:BirthPlace'),
  'identity.age_range': identity('Age range', 'user.demographic.age_range', 'pd:AgeRange', FEW),
  'identity.gender': identity('Gender', 'user.demographic.gender', 'pd:Gender', FEW),
  'identity.nationality': identity(
    'Nationality',
    'user.demographic.citizenship_or_immigration_status',
    'pd:Nationality',
    FEW,
  ),
  'identity.marital_status': identity('Marital status', 'user.demographic.marital_status', 'pd:MaritalStatus', FEW),
  'identity.national_id': identity(
    'National identification number',
    'user.government_id.national_identification_number',
    'pd:OfficialID',
  ),
  'identity.passport': identity('Passport', 'user.government_id.passport_number', 'pd:Passport'),
  'identity.photo': identity('Photograph', 'user.content.self_image', 'pd:Picture'),

  'contact.email': identity('E-mail address', 'user.contact.email', 'pd:EmailAddress'),
  'contact.phone': identity('Telephone number', 'user.contact.phone_number', 'pd:TelephoneNumber'),
  'contact.address': identity('Postal address', 'user.contact.address', 'pd:PhysicalAddress'),
  'contact.postal_code': identity('Postal code', 'user.contact.address.postal_code', 'pd:PostalCode'),
  'contact.city': identity('Town', 'user.contact.address.city', 'pd:City'),
  'contact.country': identity('Country', 'user.contact.address.country', 'pd:Country', FEW),
  'contact.handle': identity('Name or page on a social network', 'user.contact.social_url', 'pd:SocialMedia'),

  'account.id': identity('Identifier given by the service', 'user.unique_id', 'pd:UID'),
  'account.username': identity('User name', 'user.account.username', 'pd:Username'),
  'account.credentials': identity(
    'Password, passkey or other credential',
    'user.authorization.credentials',
    'pd:Authenticating',
  ),

  'professional.employer': identity('Employer', 'user.professional_information.workplace', 'pd:CurrentEmployment'),
  'professional.role': identity('Job or role', 'user.professional_information.job_title', 'pd:Job'),
  'professional.education': identity('Education', 'user.professional_information', 'pd:Education'),

  'client.representative': client("A client's representative", 'user.professional_information', 'pd:Professional'),
  'client.customer': client("A client's customer", 'user.contact', 'pd:Contact'),
  'client.supplier': client("A client's supplier", 'user.contact', 'pd:Contact'),

  'activity.content': activity('Content made or uploaded', 'user.content', 'pd:PersonalDocuments'),
  'activity.message': activity('Message sent or received', 'user.content.private', 'pd:Communication'),
  'activity.event': activity('Action in the service', 'user.behavior', 'pd:Behavioral'),
  'preference.interest': activity('Interest', 'user.demographic.profile', 'pd:Interest'),
  'preference.setting': activity('Setting', 'user.settings', 'pd:Preference', FEW),
  'preference.privacy': activity('Privacy choice', 'user.privacy_preferences', 'pd:PrivacyPreference', FEW),

  'connection.ip': navigation('IP address', 'user.device.ip_address', 'pd:IPAddress'),
  'connection.device': navigation('Device', 'user.device.device_id', 'pd:DeviceBased'),
  'connection.session': navigation('Session or cookie identifier', 'user.device.cookie_id', 'pd:Identifier'),
  'connection.log': navigation('Log-in history', 'user.behavior', 'pd:AuthenticationHistory'),
  'navigation.page': navigation('Page seen', 'user.behavior.browsing_history', 'pd:BrowserHistory'),
  'navigation.referrer': navigation('Page come from', 'user.behavior.browsing_history', 'pd:BrowsingReferral'),
  'navigation.search': navigation('Words searched for', 'user.behavior.search_history', 'pd:BrowsingBehavior'),
  'navigation.browser': navigation('Browser', 'user.device', 'pd:UserAgent', FEW),
  'navigation.os': navigation('Operating system', 'user.device', 'pd:DeviceOperatingSystem', FEW),
  'navigation.language': navigation('Language', 'user.demographic.language', 'pd:Language', FEW),
  'navigation.duration': navigation('Duration of a visit', 'user.behavior', 'pd:ServiceConsumptionBehavior'),
  'location.precise': navigation('Position within 500 m', 'user.location.precise', 'pd:GPSCoordinate'),
  'location.coarse': navigation('Position beyond 500 m', 'user.location.coarse', 'pd:Location'),

  'usage.counter': usage('Usage counter', 'user.behavior', 'pd:ServiceConsumptionBehavior'),

  'finance.bank_account': finance('Bank account', 'user.financial.bank_account', 'pd:BankAccount'),
  'finance.payment_card': finance('Payment card', 'user.financial.credit_card', 'pd:PaymentCard'),
  'finance.payment': finance('Payment', 'user.payment', 'pd:Transactional'),
  'finance.transaction': finance('Transaction', 'user.financial', 'pd:Transaction'),
  'finance.purchase': finance('Purchase', 'user.behavior.purchase_history', 'pd:Purchase'),
  'finance.billing': finance('What is billed, to whom', 'user.payment', 'pd:FinancialAccount'),
  'finance.income': finance('Income', 'user.financial', 'pd:Income'),

  'special.health': sensitive('Health', 'user.health', 'pd:Health', SPECIAL),
  'special.biometric': sensitive('Biometric data', 'user.biometrics', 'pd:Biometric', SPECIAL),
  'special.genetic': sensitive('Genetic data', 'user.health.genetic', 'pd:Genetic', SPECIAL),
  'special.religion': sensitive(
    'Religious belief',
    'user.demographic.religious_belief',
    'pd:ReligiousBelief',
    SPECIAL_FEW,
  ),
  'special.philosophy': sensitive(
    'Philosophical belief',
    'user.demographic.philosophical_belief',
    'pd:PhilosophicalBelief',
    SPECIAL_FEW,
  ),
  'special.politics': sensitive(
    'Political opinion',
    'user.demographic.political_opinion',
    'pd:PoliticalOpinion',
    SPECIAL_FEW,
  ),
  'special.union': sensitive(
    'Trade union membership',
    'user.demographic.union_membership',
    'pd:TradeUnionMembership',
    SPECIAL_FEW,
  ),
  'special.ethnicity': sensitive(
    'Racial or ethnic origin',
    'user.demographic.race_ethnicity',
    'pd:EthnicOrigin',
    SPECIAL_FEW,
  ),
  'special.sexuality': sensitive(
    'Sex life or sexual orientation',
    'user.demographic.sexual_orientation',
    'pd:Sexual',
    SPECIAL_FEW,
  ),
  /** GDPR Art. 10, not Art. 9: only under the control of official authority. */
  'criminal.record': sensitive('Criminal convictions and offences', 'user.criminal_history', 'pd:Criminal'),
} as const;

export type CategoryKey = keyof typeof CATEGORIES;
export const CATEGORY_KEYS = Object.keys(CATEGORIES) as readonly CategoryKey[];

export function isCategoryKey(word: unknown): word is CategoryKey {
  return typeof word === 'string' && Object.hasOwn(CATEGORIES, word);
}
