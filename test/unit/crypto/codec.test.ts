import { expect } from 'chai';
import fc from 'fast-check';
import { type Codec, type Decoded, decode, encode, MAX_VALUE_BYTES } from '../../../src/crypto/codec';
import { parseEnvelope } from '../../../src/crypto/envelope';
import { Opener } from '../../../src/crypto/open';
import { RowSealer } from '../../../src/crypto/seal';
import { InvalidValueError, TamperedError } from '../../../src/errors';
import { ADA, at, bothEngines, bytes, hex, NAMES, refusal } from './world';

/** Where other bytes stand before and behind it. */
const decodedWithin = (payload: Uint8Array): Decoded | undefined =>
  decode(Buffer.concat([bytes(3, 7), payload, bytes(5, 1)]), 3, 3 + payload.length);
const textOf = (codec: Codec, value: unknown): string => {
  const decoded = decodedWithin(encode(codec, value, NAMES));
  if (!decoded || decoded.codec === 'bytes') throw new Error('this has no text');
  expect(decoded.codec).to.equal(codec);
  return decoded.text;
};
const code = (codec: Codec, value: unknown): string => {
  const error = refusal(() => encode(codec, value, NAMES));
  expect(error).to.be.instanceOf(InvalidValueError);
  expect(error).to.include({ table: 'users', column: 'email' });
  return error.code;
};
/** [given, what PostgreSQL writes for it] */
const expectTexts = (codec: Codec, cases: readonly (readonly [unknown, string])[]): void => {
  for (const [given, text] of cases) expect(textOf(codec, given), String(given)).to.equal(text);
};
const expectCode = (codec: Codec, expected: string, values: readonly unknown[]): void => {
  for (const value of values) expect(code(codec, value), String(value)).to.equal(expected);
};

/** Runs in a zone with summer time and half hours, so that local and UTC cannot be confused. */
function inZone(zone: string, run: () => void): void {
  const before = process.env.TZ;
  process.env.TZ = zone;
  try {
    run();
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
}

const wellFormed = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'));

describe('E7 what went in comes out: text, bytes, json', () => {
  it('keeps every code point of a text, also a byte order mark and the empty string', () => {
    fc.assert(
      fc.property(wellFormed, (text) => {
        expect(textOf('text', text)).to.equal(text);
      }),
    );
    expectTexts(
      'text',
      ['', '\ufeffada', 'é', 'e\u0301', '𝒜', ' x '].map((text) => [text, text] as const),
    );
  });

  it('keeps bytes, as a Buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (given) => {
        const decoded = decodedWithin(encode('bytes', given, NAMES));
        if (decoded?.codec !== 'bytes') throw new Error('not bytes');
        expect(decoded.bytes).to.be.instanceOf(Buffer);
        expect(hex(decoded.bytes)).to.equal(hex(given));
      }),
    );
    expectCode('bytes', 'VALUE_NOT_BYTES', ['00', 1, [1], new ArrayBuffer(1), null, undefined]);
  });

  it('keeps any JSON value', () => {
    const json = fc
      .jsonValue({ stringUnit: 'grapheme' })
      .filter((value) => value !== null && typeof value !== 'string');
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(textOf('json', value))).to.deep.equal(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('takes a string as JSON text and keeps it as given', () => {
    expectTexts('json', [
      ['{"b": 1,  "a": 12345678901234567890}', '{"b": 1,  "a": 12345678901234567890}'],
      ['"ada"', '"ada"'],
      ['null', 'null'],
      [{ a: new Date(0) }, '{"a":"1970-01-01T00:00:00.000Z"}'],
      [[1, 2], '[1,2]'],
      [true, 'true'],
      [0.5, '0.5'],
      ['"\\\\u0000"', '"\\\\u0000"'],
      ['"\\ud83d\\ude00"', '"\\ud83d\\ude00"'],
    ]);
  });

  it('refuses what JSON would lose or cannot say', () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expectCode(
      'json',
      'VALUE_NOT_JSON',
      [
        'ada',
        '',
        '{',
        "{'a':1}",
        undefined,
        null,
        1n,
        { a: 1n },
        () => 1,
        Symbol('x'),
        cycle,
        Number.NaN,
        Infinity,
        new Map([[1, 2]]),
        new Set([1]),
        Buffer.from('x'),
      ].filter((value) => typeof value !== 'symbol'),
    );
    expect(code('json', Symbol('x'))).to.equal('VALUE_NOT_JSON');
  });
});

describe('E6 ill-formed UTF-16 and NUL are refused', () => {
  it('in texts', () => {
    expectCode('text', 'VALUE_ILL_FORMED', ['\ud800', 'a\udc00b', '\udc00\ud800', '𝒜\ud835']);
    expectCode('text', 'VALUE_HAS_NUL', ['\0', 'a\0b']);
    expect(textOf('text', '\ud835\udc9c')).to.equal('𝒜');
  });

  it('in JSON, in values and keys, also behind an escape', () => {
    expectCode('json', 'VALUE_ILL_FORMED', [
      '"\\ud800"',
      '"\ud800"',
      { a: ['\udc00'] },
      { '\ud800': 1 },
      '{"\\udc00":1}',
    ]);
    expectCode('json', 'VALUE_HAS_NUL', ['"\\u0000"', { a: 'x\0' }, { 'x\0': 1 }, '[["\\u0000"]]']);
  });

  it('refuses everything but a string as a text, so that no type changes on the way', () => {
    expectCode('text', 'VALUE_NOT_TEXT', [1, true, 1n, {}, [], new Date(), Buffer.from('x'), null, undefined]);
    expect(refusal(() => encode('text', 1, NAMES)).fix).to.equal('{ email: String(value) }');
  });
});

describe('E7 integers: 64 bits, in 8 bytes whatever they are', () => {
  it('keeps them exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        expect(textOf('integer', value)).to.equal(String(value));
        expect(textOf('integer', String(value))).to.equal(String(value));
        expect(encode('integer', value, NAMES)).to.have.length(9);
      }),
    );
    expectTexts('integer', [
      [0, '0'],
      [-0, '0'],
      [42, '42'],
      ['+7', '7'],
      ['007', '7'],
      [2 ** 53 - 1, '9007199254740991'],
    ]);
  });

  it('refuses what is no longer exact, no integer, or beyond 64 bits', () => {
    expectCode('integer', 'VALUE_NOT_INTEGER', [
      2 ** 53,
      1.5,
      Number.NaN,
      Infinity,
      '',
      '1.0',
      '1e3',
      '0x10',
      ' 1',
      true,
      null,
    ]);
    expectCode('integer', 'VALUE_OUT_OF_RANGE', [2n ** 63n, -(2n ** 63n) - 1n, '9223372036854775808']);
  });
});

describe('E7 numerics: exact, without exponent, with the scale as given', () => {
  it('writes what PostgreSQL writes', () => {
    expectTexts('numeric', [
      ['1.50', '1.50'],
      ['007', '7'],
      ['.5', '0.5'],
      ['5.', '5'],
      ['+1', '1'],
      ['-0', '0'],
      ['-0.00', '0.00'],
      ['1e5', '100000'],
      ['1.50e1', '15.0'],
      ['1.50e3', '1500'],
      ['1e-5', '0.00001'],
      ['1.5E-3', '0.0015'],
      ['-.5e2', '-50'],
      [' 12 ', '12'],
      ['0e5', '0'],
      ['0.0e-3', '0.0000'],
      ['00.00', '0.00'],
      ['nan', 'NaN'],
      ['inf', 'Infinity'],
      ['-Infinity', '-Infinity'],
      [1e21, '1000000000000000000000'],
      [1e-7, '0.0000001'],
      [0.1, '0.1'],
      [-0, '0'],
      [123456789012345678901234567890n, '123456789012345678901234567890'],
    ]);
  });

  it('keeps decimals of any length', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^-?(0|[1-9]\d{0,60})\.\d{1,60}$/), (text) => {
        expect(textOf('numeric', text)).to.equal(/[1-9]/.test(text) ? text : text.replace('-', ''));
      }),
    );
  });

  it('refuses what is no number, and more digits than PostgreSQL holds', () => {
    expectCode('numeric', 'VALUE_NOT_NUMERIC', [
      '',
      '.',
      '-',
      '1e',
      '1.2.3',
      '1,5',
      '0x10',
      '1_000',
      Number.NaN,
      Infinity,
      true,
      null,
      {},
    ]);
    expectCode('numeric', 'VALUE_OUT_OF_RANGE', ['1e131072', '1e-16384', '1e999999']);
    expect(textOf('numeric', '1e131071')).to.have.length(131_072);
  });
});

describe('E7 dates: days in 4 bytes', () => {
  it('keeps every day PostgreSQL has, and writes it as PostgreSQL does', () => {
    expectTexts('date', [
      ['2024-02-29', '2024-02-29'],
      ['2000-02-29', '2000-02-29'],
      ['0001-01-01', '0001-01-01'],
      ['0001-01-01 BC', '0001-01-01 BC'],
      ['0005-02-29 BC', '0005-02-29 BC'],
      ['4714-11-24 BC', '4714-11-24 BC'],
      ['10000-01-01', '10000-01-01'],
      ['5874897-12-31', '5874897-12-31'],
      ['infinity', 'infinity'],
      ['-infinity', '-infinity'],
      [Infinity, 'infinity'],
      [-Infinity, '-infinity'],
    ]);
    const day = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(day, (date) => {
        const iso = date.toISOString().slice(0, 10);
        expect(textOf('date', iso)).to.equal(iso);
        expect(encode('date', iso, NAMES)).to.have.length(5);
      }),
    );
  });

  it('carries the number of PostgreSQL’s own binary form', () => {
    expect(hex(encode('date', '2000-01-01', NAMES))).to.equal('0600000000');
    expect(hex(encode('date', '1999-12-31', NAMES))).to.equal('06ffffffff');
    expect(hex(encode('date', 'infinity', NAMES))).to.equal('067fffffff');
  });

  it('takes the local day of a Date, as node-postgres does', () => {
    for (const zone of ['Pacific/Auckland', 'America/Los_Angeles', 'Asia/Kathmandu', 'UTC']) {
      inZone(zone, () => {
        expect(textOf('date', new Date(2024, 4, 1)), zone).to.equal('2024-05-01');
        expect(textOf('date', new Date(2024, 4, 1, 23, 59)), zone).to.equal('2024-05-01');
      });
    }
    const caesar = new Date(2000, 2, 15);
    caesar.setFullYear(-43);
    expect(textOf('date', caesar)).to.equal('0044-03-15 BC');
  });

  it('refuses days that no calendar has, and texts that hold more than a day', () => {
    expectCode('date', 'VALUE_NOT_DATE', [
      '2023-02-29',
      '1900-02-29',
      '0004-02-29 BC',
      '2024-13-01',
      '2024-00-10',
      '2024-04-31',
      '0000-01-01',
      '2024-1-1',
      '01/05/2024',
      '2024-05-01T00:00:00Z',
      '2024-05-01 ',
      '',
      20240501,
      null,
      new Date(Number.NaN),
      {},
    ]);
    expectCode('date', 'VALUE_OUT_OF_RANGE', ['4714-11-23 BC', '5874898-01-01', new Date(-8.64e15)]);
  });
});

describe('E7 timestamps: microseconds in 8 bytes', () => {
  it('keeps a wall clock, and trims it as PostgreSQL does', () => {
    expectTexts('timestamp', [
      ['2024-02-29 10:00:00', '2024-02-29 10:00:00'],
      ['2024-02-29T10:00', '2024-02-29 10:00:00'],
      ['2024-02-29', '2024-02-29 00:00:00'],
      ['2024-02-29 10:00:00.120', '2024-02-29 10:00:00.12'],
      ['1999-12-31 23:59:59.999999', '1999-12-31 23:59:59.999999'],
      ['2024-01-01 00:00:00.000001', '2024-01-01 00:00:00.000001'],
      ['2024-01-01 00:00:00.1000000', '2024-01-01 00:00:00.1'],
      ['0044-03-15 10:00:00 BC', '0044-03-15 10:00:00 BC'],
      ['12345-01-01 01:02:03', '12345-01-01 01:02:03'],
      ['4714-11-24 00:00:00 BC', '4714-11-24 00:00:00 BC'],
      ['294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999'],
      ['infinity', 'infinity'],
      [-Infinity, '-infinity'],
    ]);
    expect(encode('timestamp', '2024-01-01 00:00:00', NAMES)).to.have.length(9);
    expect(hex(encode('timestamp', '2000-01-01 00:00:00.000001', NAMES))).to.equal('070000000000000001');
  });

  it('takes what a local clock shows of a Date, also in the hour that summer time skips', () => {
    inZone('Europe/Paris', () => {
      expect(textOf('timestamp', new Date(2024, 6, 1, 10, 20, 30, 400))).to.equal('2024-07-01 10:20:30.4');
      expect(textOf('timestamp', new Date(Date.UTC(2024, 0, 1, 23)))).to.equal('2024-01-02 00:00:00');
    });
    inZone('Asia/Kathmandu', () => {
      expect(textOf('timestamp', new Date(Date.UTC(2024, 0, 1, 12)))).to.equal('2024-01-01 17:45:00');
      expect(textOf('timestamp', new Date(8.64e15))).to.equal('275760-09-13 05:45:00');
    });
  });

  it('keeps an instant, in UTC', () => {
    expectTexts('timestamptz', [
      [new Date('2024-05-01T10:00:00.123Z'), '2024-05-01 10:00:00.123+00'],
      ['2024-05-01T10:00:00Z', '2024-05-01 10:00:00+00'],
      ['2024-05-01 10:00:00.12+02', '2024-05-01 08:00:00.12+00'],
      ['2024-05-01T10:00+0530', '2024-05-01 04:30:00+00'],
      ['1999-12-31 23:59:59.999999-03:30', '2000-01-01 03:29:59.999999+00'],
      ['0044-03-15 10:00:00+00:09:21 BC', '0044-03-15 09:50:39+00 BC'],
      ['4714-11-24 00:00:00+00 BC', '4714-11-24 00:00:00+00 BC'],
      ['infinity', 'infinity'],
      [Infinity, 'infinity'],
    ]);
    const date = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, (given) => {
        expect(new Date(textOf('timestamptz', given).replace(' ', 'T').replace('+00', 'Z')).getTime()).to.equal(
          given.getTime(),
        );
        expect(textOf('timestamptz', given.toISOString())).to.equal(textOf('timestamptz', given));
      }),
    );
  });

  it('refuses an offset where it would be dropped, and asks for it where it is needed', () => {
    expectCode('timestamp', 'VALUE_HAS_ZONE', [
      '2024-05-01T10:00:00Z',
      '2024-05-01 10:00:00+02',
      '2024-05-01 10:00+00:00',
    ]);
    expectCode('timestamptz', 'VALUE_LACKS_ZONE', ['2024-05-01T10:00:00', '2024-05-01 10:00', '2024-05-01']);
  });

  it('refuses what no clock shows, what is not a time, and what would be rounded', () => {
    expectCode('timestamp', 'VALUE_NOT_TIMESTAMP', [
      '2024-01-01 24:00:00',
      '2024-01-01 23:59:60',
      '2024-01-01 10:60',
      '2023-02-29 10:00',
      '2024-01-01 1:00',
      '',
      'now',
      1714557600000,
      null,
      new Date(Number.NaN),
    ]);
    expectCode('timestamptz', 'VALUE_NOT_TIMESTAMP', [
      '2024-01-01 10:00:00+16',
      '2024-01-01 10:00:00+05:60',
      '2024-01-01 10:00:00 Europe/Paris',
    ]);
    expectCode('timestamp', 'VALUE_TOO_PRECISE', ['2024-01-01 10:00:00.1234567']);
    expectCode('timestamptz', 'VALUE_OUT_OF_RANGE', ['294276-12-31 23:59:59-01', '4714-11-24 00:00:00+01 BC']);
  });
});

describe('E7 booleans: one byte', () => {
  it('keeps them', () => {
    expectTexts('boolean', [
      [true, 't'],
      ['t', 't'],
      ['true', 't'],
      [false, 'f'],
      ['f', 'f'],
      ['false', 'f'],
    ]);
    expect(hex(encode('boolean', true, NAMES))).to.equal('0901');
    expect(encode('boolean', false, NAMES)).to.have.length(2);
    expectCode('boolean', 'VALUE_NOT_BOOLEAN', [1, 0, 'yes', 'TRUE', '', null, undefined]);
  });
});

describe('a value may have 1 MiB', () => {
  it('and not a byte more, counted in UTF-8', () => {
    expect(textOf('text', 'x'.repeat(MAX_VALUE_BYTES))).to.have.length(MAX_VALUE_BYTES);
    expectCode('text', 'VALUE_TOO_LONG', ['x'.repeat(MAX_VALUE_BYTES + 1), 'é'.repeat(MAX_VALUE_BYTES / 2 + 1)]);
    expectCode('bytes', 'VALUE_TOO_LONG', [new Uint8Array(MAX_VALUE_BYTES + 1)]);
    expectCode('json', 'VALUE_TOO_LONG', [{ a: 'x'.repeat(MAX_VALUE_BYTES) }]);
    expect(() => encode('text', 'four', NAMES, 3)).to.throw(InvalidValueError, '3 bytes');
  });
});

describe('E8 no error holds the value that was refused', () => {
  it('whatever is wrong with it', () => {
    const secret = 'Lovelace1815';
    const refusals: readonly (readonly [Codec, unknown])[] = [
      ['text', `${secret}\0`],
      ['text', `${secret}\ud800`],
      ['bytes', secret],
      ['json', `{${secret}`],
      ['json', { [secret]: 1n }],
      ['integer', secret],
      ['numeric', secret],
      ['date', secret],
      ['timestamp', secret],
      ['timestamptz', secret],
      ['boolean', secret],
      ['text', secret.repeat(100_000)],
    ];
    for (const [codec, value] of refusals) {
      const error = refusal(() => encode(codec, value, NAMES));
      expect(`${error.message}${error.stack}${JSON.stringify(error)}`, codec).to.not.include(secret);
      expect(error.cause).to.equal(undefined);
    }
  });
});

describe('a payload that no codec writes is refused', () => {
  it('as tampered, never as text', async () => {
    const wrong: Record<string, readonly number[]> = {
      'tag 0': [0],
      'tag 10': [10, 1],
      'text of no UTF-8': [1, 0xff],
      'JSON of no UTF-8': [3, 0xc3],
      'a short integer': [4, 0, 0, 0, 0, 0, 0, 0],
      'a long integer': [4, ...new Array<number>(9).fill(0)],
      'a numeric with an exponent': [5, 0x31, 0x65, 0x31],
      'a numeric of nothing': [5],
      'a short date': [6, 0, 0, 0],
      'a date before the first': [6, 0x80, 0, 0, 1],
      'a timestamp after the last': [7, 0x7f, ...new Array<number>(6).fill(0xff), 0xfe],
      'a boolean of 2': [9, 2],
      'a boolean of nothing': [9],
      'a boolean of two bytes': [9, 1, 1],
    };
    for (const engine of await bothEngines()) {
      for (const [what, payload] of Object.entries(wrong)) {
        const sealer = new RowSealer(at(engine), ADA.keyId, ADA.dek);
        const sealed = parseEnvelope(sealer.seal({ element: 7, padding: 'none' }, Uint8Array.from(payload)));
        const open = (): unknown => new Opener(at(engine)).read(sealed, ADA.dek, 7, NAMES, decode);
        expect(open, what).to.throw(TamperedError, 'users.email');
      }
    }
    expect(decodedWithin(new Uint8Array(0))).to.equal(undefined);
  });
});
