/* Recorded answers of real nodes (GlusterFS 10.3, LVM 2.03.16), in data/. */
#ifndef HECATE_TESTS_UNIT_EXECUTOR_DATA_H
#define HECATE_TESTS_UNIT_EXECUTOR_DATA_H

/* The file as text (free()). Fails the test if it is not there: tests run in the root of the repository. */
char *data_read(const char *name);
/* Gives the first volume in a recorded `volume info` another name. */
void data_rename_volume(char **text, const char *name);

#endif
