/**
 * Takes the secrets out of the file of a character: they move into the secret store, and handles replace them. What is in
 * `secrets` counts as one, and so does any setting whose name says so. Values that would hide ordinary words in every output stay: short
 * ones, `true`, names of models, addresses without a password.
 */
import { isObject, type Json, type JsonObject, ownValue } from '../../base/index.ts'

interface TakenSecret {
  /** In the secret store: `alfred.OPENAI_API_KEY`. */
  readonly name: string
  readonly value: string
  /** Its place in the file. */
  readonly at: string
}

export interface WithoutSecrets {
  /** The file with handles. */
  readonly original: JsonObject
  readonly secrets: readonly TakenSecret[]
  /** Values of `${NAME}` in texts. */
  readonly variables: Readonly<Record<string, string>>
  readonly warnings: readonly string[]
}

export interface Environment {
  readonly values: Readonly<Record<string, string | undefined>>
  /** The names that the character may take from it. */
  readonly allowed: readonly string[]
}

/** @param prefix of the names of its secrets: the name of the agent */
export function takeSecrets(original: JsonObject, prefix: string, environment: Environment): WithoutSecrets {
  const secrets: TakenSecret[] = []
  const warnings: string[] = []
  const variables = new Map<string, string>()
  const named = new Set<string>()

  const valueOf = (name: string, at: string, isSecret: boolean): string | null => {
    const value = environment.allowed.includes(name) ? ownValue(environment.values, name) : undefined
    if (!environment.allowed.includes(name)) warnings.push(`${at}: \${${name}} stays as it is; --env ${name} puts the variable in`)
    else if (value === undefined) warnings.push(`${at}: there is no variable ${name} in the environment`)
    else if (!isSecret && (isSecretName(name) || hasPassword.test(value))) {
      warnings.push(
        `${at}: \${${name}} is a secret by its ${isSecretName(name) ? 'name' : 'value'}, and stands outside of secrets: it stays as it is`,
      )
      return null
    }
    return value ?? null
  }
  const moved = (key: string, value: string, at: string): string => {
    const full = value.replaceAll(variable, (whole, name: string) => valueOf(name, at, true) ?? whole)
    if (!isWorthHiding(key, full) || isVariable.test(full)) return value
    const base = `${prefix}.${key.replaceAll(/[^\w.-]/g, '_').slice(0, 80) || 'SECRET'}`
    let name = base
    for (let count = 2; named.has(name); count++) name = `${base}_${count}`
    named.add(name)
    secrets.push({ name, value: full, at })
    return `[secret:${name}]`
  }
  const walk = (value: Json, at: string, key: string, isSecret: boolean): Json => {
    if (typeof value === 'string') {
      if (isSecret || (isSetting(at) && isSecretName(key))) return isHandle.test(value) ? value : moved(key, value, at)
      for (const [, name = ''] of value.matchAll(variable)) {
        const found = variables.has(name) ? null : valueOf(name, at, false)
        if (found !== null) variables.set(name, found)
      }
      return value
    }
    if (Array.isArray(value)) return (value as readonly Json[]).map((each, index) => walk(each, `${at}[${index}]`, key, isSecret))
    if (!isObject(value)) return value
    const entries = Object.entries(value).map(([name, each]) => {
      const place = at === '' ? name : `${at}.${name}`
      return [name, walk(each, place, name, isSecret || place === 'secrets' || place === 'settings.secrets')] as const
    })
    return Object.fromEntries(entries)
  }
  const cleaned = walk(original, '', '', false)
  return { original: cleaned as JsonObject, secrets, variables: Object.fromEntries(variables), warnings }
}

/** Puts values in the place of the handles, for an export with secrets. @param values by name; other handles stay */
export function withSecrets(original: JsonObject, values: Readonly<Record<string, string>>): JsonObject {
  const walk = (value: Json): Json => {
    if (typeof value === 'string') {
      const [, name] = isHandle.exec(value) ?? []
      return name !== undefined && Object.hasOwn(values, name) ? values[name]! : value
    }
    if (Array.isArray(value)) return (value as readonly Json[]).map(walk)
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each)])) : value
  }
  return walk(original) as JsonObject
}

/**
 * The author of a file can write any handle into it: handles of the person's other secrets must not become values in an export.
 * @param agent that has the character @param granted the secrets that its definition names
 * @returns the names of its own secrets for which handles stand
 */
export function ownSecrets(original: JsonObject, agent: string, granted: Json | undefined): readonly string[] {
  const names = new Set([...JSON.stringify(original).matchAll(/"\[secret:([\w.-]+)\]"/g)].map(([, name = '']) => name))
  return [...names].filter((name) => name.startsWith(`${agent}.`) && Array.isArray(granted) && granted.includes(name))
}

const variable = /\$\{([A-Za-z_]\w{0,127})\}/g

const isVariable = /^\$\{[A-Za-z_]\w{0,127}\}$/
const isHandle = /^\[secret:([\w.-]+)\]$/
/** An address with a password in it. */
const hasPassword = /:\/\/[^/\s:@]*:[^/\s@]+@/

/** In texts, `token` may be a word; everywhere else the name of a key says that its value is a secret. */
const isSetting = (at: string): boolean => !texts.has(/^[^.[]*/.exec(at)?.[0] ?? '')
const texts: ReadonlySet<string> = new Set(
  'name username system description bio lore adjectives topics style messageExamples postExamples knowledge templates'.split(' '),
)

const secretWord =
  /^(?:(?:api)?(?:keys?|tokens?|secrets?)|pass|passwords?|passphrase|phrase|pin|credentials?|cookies?|mnemonic|seed|salt|jwt|pat|dsn|auth)$/

function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[_.-]/)
  // Of several keys, the last word is a number.
  return secretWord.test(words.findLast((word) => !/^\d*$/.test(word)) ?? '')
}

const minSecretCharacters = 8

function isWorthHiding(key: string, value: string): boolean {
  if (value.length < minSecretCharacters || (/^\d+$/.test(value) && !isSecretName(key))) return false
  if (/_(?:MODEL|PROVIDER|MODE|ID|NAME|USERNAME)$/i.test(key) && !isSecretName(key)) return false
  // An address with a password or a token in it is a secret.
  return !/^https?:\/\/[^\s@?#]+$/.test(value)
}
