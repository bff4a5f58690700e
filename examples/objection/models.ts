/** Objection models as a team has them. Nothing in this file knows of oubli: what is personal is said in the migration. */
import { Model } from 'objection';

export class Note extends Model {
  static override tableName = 'notes';
  declare id: number;
  declare contractId: number;
  declare body: string | null;
}

export class Contract extends Model {
  static override tableName = 'contracts';
  declare id: number;
  declare userId: number;
  declare signatory: string | null;
  declare plan: string;
  declare notes?: Note[];
  declare user?: User;

  static override get relationMappings() {
    return {
      notes: {
        relation: Model.HasManyRelation,
        modelClass: Note,
        join: { from: 'contracts.id', to: 'notes.contractId' },
      },
      user: {
        relation: Model.BelongsToOneRelation,
        modelClass: User,
        join: { from: 'contracts.userId', to: 'users.id' },
      },
    };
  }
}

export class User extends Model {
  static override tableName = 'users';
  declare id: number;
  declare fullName: string | null;
  declare email: string | null;
  declare lastIp: string | null;
  declare locale: string;
  declare contracts?: Contract[];

  static override get relationMappings() {
    return {
      contracts: {
        relation: Model.HasManyRelation,
        modelClass: Contract,
        join: { from: 'users.id', to: 'contracts.userId' },
      },
    };
  }
}
