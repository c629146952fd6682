/** Programs that a test compares Oxbow's answers with, and that a person's machine may not have. */
import { findProgram } from '../../src/sandbox/host-programs.ts'

/**
 * @param name of the program @param debianPackage that has it
 * @returns why a test is skipped, with the command that installs what is missing; false where it can run, and in CI, where it has to
 */
export function withoutProgram(name: string, debianPackage: string = name): string | false {
  const isMissing = findProgram(name, process.env['PATH'] ?? '') === null
  return isMissing && process.env['CI'] === undefined ? `${name} is missing: apt-get install ${debianPackage}` : false
}
