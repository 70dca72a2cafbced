/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

/*
 * In place of libFuzzer: give a target every file of the directories on the
 * command line once.  An input that fails ends the process, as under libFuzzer.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat stat;
    uint8_t *data = NULL;
    size_t size;
    int r = -1;

    if (!file || fstat(fileno(file), &stat) < 0)
        goto out;
    size = (size_t)stat.st_size;
    /* Not one byte more: a sanitizer sees who reads behind the end. */
    data = malloc(size);
    if (size > 0 && (!data || fread(data, 1, size, file) != size))
        goto out;

    LLVMFuzzerTestOneInput(data, size);
    r = 0;

out:
    if (r)
        perror(path);
    if (file)
        fclose(file);
    free(data);
    return r;
}

static int skip_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int run_directory(const char *directory, unsigned *nr)
{
    struct dirent **entries;
    int found = scandir(directory, &entries, skip_hidden, alphasort);
    int r = 0;

    if (found < 0) {
        perror(directory);
        return -1;
    }
    for (int i = 0; i < found; i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        if (!r)
            r = run_file(path);
        *nr += r == 0;
        free(entries[i]);
    }
    free(entries);
    return r;
}

int main(int argc, char **argv)
{
    unsigned nr = 0;

    for (int i = 1; i < argc; i++) {
        if (run_directory(argv[i], &nr))
            return EXIT_FAILURE;
    }
    if (nr == 0) {
        fputs("no inputs: name directories that have some\n", stderr);
        return EXIT_FAILURE;
    }
    printf("%u inputs\n", nr);
    return EXIT_SUCCESS;
}
