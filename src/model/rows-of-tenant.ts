/** How many rows of one tenant there are of something. */
export interface RowsOfTenant {
  /** Null: of the whole installation, or of nobody that is known any more. */
  readonly tenant: string | null
  readonly rows: number
  /** What they take, without indexes; about. */
  readonly bytes: number
}
