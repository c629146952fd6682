/** What a rule reports. */
import type { Waiver } from './waivers.ts'

export type RuleName =
  | 'module_without_layer'
  | 'wrong_direction'
  | 'past_public_api'
  | 'leaves_source'
  | 'computed_import'
  | 'needs_test_code'
  | 'package_not_allowed'
  | 'builtin_not_allowed'
  | 'static_http'
  | 'names_implementation'
  | 'cycle'
  | 'file_too_long'
  | 'file_too_small'
  | 'function_too_long'
  | 'folder_too_full'
  | 'folder_too_deep'
  | 'forbidden_name'
  | 'forbidden_syntax'
  | 'mutable_module_state'
  | 'left_over_note'
  | 'timer_in_service'
  | 'past_service'
  | 'service_not_listed'
  | 'call_described_twice'
  | 'undescribed_output'
  | 'maybe_promise'
  | 'schema_twin'
  | 'unnamed_dependency'
  | 'missing_dependency'
  | 'inexact_version'
  | 'unused_permission'
  | 'unused_waiver'
  | 'table_out_of_order'
  | 'core_grows'

export interface Violation {
  readonly rule: RuleName
  /** A file or folder, from the root of the repository. */
  readonly path: string
  readonly what: string
}

/** Takes out what is waived, and reports each waiver that waives nothing. */
export function applyWaivers(violations: readonly Violation[], waivers: readonly Waiver[]): readonly Violation[] {
  const covers = (waiver: Waiver, violation: Violation): boolean =>
    waiver.rule === violation.rule && waiver.path === violation.path && violation.what.includes(waiver.about)
  const left = violations.filter((violation) => !waivers.some((waiver) => covers(waiver, violation)))
  const unused = waivers.filter((waiver) => !violations.some((violation) => covers(waiver, violation)))
  return [...left, ...unused.map(({ rule, path, about }): Violation => ({ rule: 'unused_waiver', path, what: `${rule}: ${about}` }))]
}
