/**
 * Lookups by a name that somebody else chose: a model, a plugin, a file, a peer. On a plain object `table['constructor']` finds what every
 * object inherits, and `table['__proto__'] = value` replaces what it inherits; these two see and set only its own properties.
 * `test/architecture/foreign-lookups.ts` refuses any other lookup by a text that is not known when the program is compiled.
 */

/** @returns the property of the object itself; undefined where it has none of that name, or where there is no object */
export function ownValue<Table extends object, Key extends keyof Table>(table: Table | null | undefined, key: Key): Table[Key] | undefined
export function ownValue<Value>(table: Readonly<Record<string, Value>> | null | undefined, key: string): Value | undefined
export function ownValue(table: Readonly<Record<string, unknown>> | null | undefined, key: string): unknown {
  return table !== null && table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined
}

/**
 * @returns the value of a JSON text of somebody else, without keys `__proto__`, which a copy key by key would take for what it inherits
 * @throws SyntaxError
 */
export function parseForeignJson(text: string): unknown {
  // The text may spell it with escapes; a reviver makes parsing several times slower.
  if (!text.includes('__proto__') && !/\\u00(?:5f|6f|7[024])/i.test(text)) return JSON.parse(text)
  return JSON.parse(text, (key, value: unknown) => (key === '__proto__' ? undefined : value))
}

/**
 * @param value parsed from a file of somebody else
 * @returns paths of all keys `__proto__`, which a schema passes over without a word
 */
export function protoKeys(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    const own = [...path, key]
    return key === '__proto__' ? [own] : protoKeys(inner, own)
  })
}

/** Sets a property of the object itself, whatever its name. */
export function setOwn<Value>(table: Record<string, Value>, key: string, value: Value): void {
  Object.defineProperty(table, key, { value, writable: true, enumerable: true, configurable: true })
}

/** @returns whether the input has handles of texts that its caller has not read */
export function holdsHandle(input: unknown): boolean {
  if (typeof input === 'string') return input.includes('[data:')
  if (typeof input !== 'object' || input === null) return false
  for (const key in input) if (holdsHandle(ownValue(input as Record<string, unknown>, key))) return true
  return false
}
