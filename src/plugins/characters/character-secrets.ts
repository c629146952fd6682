/**
 * Takes the secrets out of the file of a character: they move into the secret store, and a handle stands in their place. What is in
 * `secrets` counts as one, and so does any setting whose name says so. Values that would hide ordinary words in every output stay: short
 * ones, `true`, names of models, addresses without a password.
 */
import { isObject, type Json, type JsonObject } from '../../types/index.ts'

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
    const value = environment.allowed.includes(name) ? environment.values[name] : undefined
    if (!environment.allowed.includes(name)) warnings.push(`${at}: \${${name}} stays as it is; --env ${name} puts the variable in`)
    else if (value === undefined) warnings.push(`${at}: there is no variable ${name} in the environment`)
    else if (!isSecret && isSecretName(name)) {
      warnings.push(`${at}: \${${name}} is a secret by its name, and stands outside of secrets: it stays as it is`)
      return null
    }
    return value ?? null
  }
  const moved = (key: string, value: string, at: string): string => {
    const full = value.replaceAll(variable, (whole, name: string) => valueOf(name, at, true) ?? whole)
    if (!isWorthHiding(key, full) || full.includes('${')) return value
    const base = `${prefix}.${key.replaceAll(/[^\w.-]/g, '_').slice(0, 80) || 'SECRET'}`
    let name = base
    for (let count = 2; named.has(name); count++) name = `${base}_${count}`
    named.add(name)
    secrets.push({ name, value: full, at })
    return `[secret:${name}]`
  }
  const walk = (value: Json, at: string, key: string, isSecret: boolean): Json => {
    if (typeof value === 'string') {
      const secret = isSecret || (isSetting(at) && isSecretName(key))
      if (secret) return value.startsWith('[secret:') ? value : moved(key, value, at)
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

/** Puts values in the place of the handles, for an export with secrets. */
export function withSecrets(original: JsonObject, values: Readonly<Record<string, string>>): JsonObject {
  const walk = (value: Json): Json => {
    if (typeof value === 'string') {
      const [, name] = /^\[secret:([^\]]+)\]$/.exec(value) ?? []
      return name !== undefined && Object.hasOwn(values, name) ? values[name]! : value
    }
    if (Array.isArray(value)) return (value as readonly Json[]).map(walk)
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each)])) : value
  }
  return walk(original) as JsonObject
}

/** @returns the names of the secrets for which handles stand */
export function secretNames(original: JsonObject): readonly string[] {
  return [...new Set([...JSON.stringify(original).matchAll(/"\[secret:([\w.-]+)\]"/g)].map(([, name = '']) => name))]
}

const variable = /\$\{([A-Za-z_]\w{0,127})\}/g

/** Only there can a name of a key say that its value is a secret: `token` may be a word of a text elsewhere. */
const isSetting = (at: string): boolean => /^(?:settings|clientConfig|storage)\b/.test(at)

function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[_.-]/)
  return /^(?:api)?(?:keys?|tokens?|secrets?|pass|passwords?|passphrase|credentials?|mnemonic|auth)$/.test(words.at(-1) ?? '')
}

const minSecretCharacters = 8

function isWorthHiding(key: string, value: string): boolean {
  if (value.length < minSecretCharacters || /^(?:true|false|\d+)$/i.test(value)) return false
  if (/_(?:MODEL|PROVIDER|MODE|ID|NAME|USERNAME)$/i.test(key) && !isSecretName(key)) return false
  // An address with a password or a token in it is a secret.
  return !/^https?:\/\/[^\s@?#]+$/.test(value)
}
