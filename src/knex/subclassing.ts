/**
 * Instances of a subclass of whatever class Knex, or a subclass of the application's, makes: how the seam gets between a builder
 * or a compiler and its own methods without naming its class.
 */

// biome-ignore lint/suspicious/noExplicitAny: TypeScript requires any[] of a class that is extended by a mixin (TS2545)
export type Class<T> = new (...args: any[]) => T;

/** Makes an object an instance of a subclass of its own class, made once per class: user subclasses keep working. */
export function subclassed<T extends object>(
  instance: T,
  made: WeakMap<object, Class<T>>,
  make: (base: Class<T>) => Class<T>,
): T {
  const base = instance.constructor as Class<T>;
  let subclass = made.get(base);
  if (!subclass) {
    subclass = make(base);
    made.set(base, subclass);
  }
  return Object.setPrototypeOf(instance, subclass.prototype) as T;
}

/**
 * Makes instances of a subclass of whatever class Knex uses. Where Knex's own method only constructs, so does this: everything
 * that is done with an object whose prototype was changed afterwards takes V8 several times as long.
 */
export class Subclassing<T extends object> {
  private readonly made = new WeakMap<object, Class<T>>();
  private direct: Class<T> | undefined;

  /** @param onlyConstructs whether the method that creates them is Knex's own */
  constructor(
    private readonly make: (base: Class<T>) => Class<T>,
    private readonly onlyConstructs: boolean,
  ) {}

  instance(create: () => T, args: unknown[]): T {
    if (this.direct) return new this.direct(...args);
    const instance = subclassed(create(), this.made, this.make);
    if (this.onlyConstructs) this.direct = instance.constructor as Class<T>;
    return instance;
  }
}
