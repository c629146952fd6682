/** Which programs a person has chosen for the images of a home: a later build without a choice has them too. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { keepFile } from '../kept-files.ts'
import { extraParts, type RootExtra } from './root-entries.ts'

export type ImageKind = 'container' | 'vm'

const fileOf = (imageFolder: string, kind: ImageKind): string => join(imageFolder, `chosen-${kind}`)

/** @param text names, separated by commas. @returns those that are known */
export function parseExtraNames(text: string): readonly RootExtra[] {
  const names = new Set(text.trim().split(','))
  return (Object.keys(extraParts) as RootExtra[]).filter((name) => names.has(name))
}

/** @returns the extras that the last build with a choice was made with; empty without such a build */
export function chosenExtras(imageFolder: string, kind: ImageKind): readonly RootExtra[] {
  try {
    return parseExtraNames(readFileSync(fileOf(imageFolder, kind), 'utf8'))
  } catch {
    return []
  }
}

/** Call when the image is there. @throws a system error when it cannot be written */
export function keepChosenExtras(imageFolder: string, kind: ImageKind, extras: readonly RootExtra[]): void {
  keepFile(fileOf(imageFolder, kind), extras.join(','))
}
