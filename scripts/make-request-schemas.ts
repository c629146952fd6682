/**
 * `node scripts/make-request-schemas.ts`: writes the request schemas that conformance tests validate with, from the types of
 * the vendors' packages as they are installed. The generator brings a TypeScript of its own (it does not work with version 7),
 * so it is fetched by npx when it is needed and is no dependency.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const generator = 'ts-json-schema-generator@2.9.0'

/** Wire, type in request-types.ts, and the package that the type is from. */
const sources = [
  ['openai-chat', 'OpenaiChat', 'openai'],
  ['openai-responses', 'OpenaiResponses', 'openai'],
  ['anthropic', 'Anthropic', '@anthropic-ai/sdk'],
  ['gemini', 'Gemini', '@google/genai'],
] as const

const pathOf = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))
const manifest = JSON.parse(readFileSync(pathOf('package.json'), 'utf8')) as { devDependencies: Record<string, string> }

// Unknown fields are refused (its default); names of references are left as they are, because zod does not decode them.
const options = ['--no-type-check', '--no-ref-encode', '--jsDoc', 'none', '--tsconfig', pathOf('tsconfig.json')]
const lines = sources.map(([wire, type, package_]) => {
  const args = [...options, '--path', pathOf('test/conformance/requests/request-types.ts'), '--type', type]
  const schema = execFileSync('npx', ['--yes', '--package', generator, 'ts-json-schema-generator', ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const version = manifest.devDependencies[package_]
  return `${JSON.stringify({ wire, package: package_, version, generator, schema: JSON.parse(schema) as object })}\n`
})
writeFileSync(pathOf('test/conformance/requests/request-schemas.jsonl'), lines.join(''))
