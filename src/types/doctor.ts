/** What `oxbow doctor` tells of one thing that it tried. */
export interface DoctorCheck {
  readonly name: string
  /** `weak`: it works, and something that was asked for is not in force. */
  readonly state: 'ok' | 'weak' | 'missing'
  /** What was seen, and what that means. One line. */
  readonly says: string
  /** What to do about it, as a command where there is one; '' where there is nothing to do. */
  readonly fix: string
  /** True for the tier of the configuration: without it there are no files and no commands. */
  readonly required: boolean
  readonly ms: number
}
