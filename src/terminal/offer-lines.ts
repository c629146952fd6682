/** What programs of others say that they offer, a fact a line: verbs and pages show it so before a person approves it. */
import { isObject } from '../base/index.ts'
import type { OutputOf } from '../protocol/index.ts'

type OfferedTool = NonNullable<OutputOf<'server.diff'>['tools'][number]['now']>

/** A tool, as a server of tools defines it. */
export function toolLines({ title, description, inputSchema, outputSchema, annotations }: OfferedTool): readonly string[] {
  const { properties, ...rest } = inputSchema
  return [
    ...(title === '' ? [] : [`title: ${title}`]),
    ...description.split('\n'),
    ...(isObject(properties) ? Object.entries(properties).map(([field, schema]) => `input ${field}: ${JSON.stringify(schema)}`) : []),
    `input: ${JSON.stringify(rest)}`,
    ...(outputSchema === null ? [] : [`output: ${JSON.stringify(outputSchema)}`]),
    ...(Object.keys(annotations).length === 0 ? [] : [`claims of the server: ${JSON.stringify(annotations)}`]),
  ]
}

/** What a server offers besides tools. */
export function offersText({ resources, prompts }: OutputOf<'server.diff'>['offers']['now']): string {
  return [...(resources ? ['resources, which agents may read'] : []), ...(prompts ? ['prompts, which you may use'] : [])].join('; ')
}

/** The card of a remote agent. */
export function cardLines({
  name,
  description,
  version,
  provider,
  skills,
  addresses,
  signed_by: signedBy,
}: OutputOf<'remote.diff'>['now']): readonly string[] {
  return [
    `name: ${name}`,
    ...description.split('\n').map((line) => `description: ${line}`),
    `version: ${version}`,
    ...(provider === '' ? [] : [`provider: ${provider}`]),
    ...skills.map((skill) => `skill ${skill}`),
    ...addresses.map((address) => `reached at ${address}`),
    signedBy === '' ? 'not signed' : `signed with the key ${signedBy}`,
  ]
}

/** What a coding agent sees of the files. */
export const filesOfCoder = {
  branch: 'works on a branch of the workspace',
  read: 'reads the workspace',
  none: 'sees no files',
} as const
